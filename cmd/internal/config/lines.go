package config

import "strings"

// lineIndex finds the line of each key of a TOML document. It expects a
// document that the TOML parser accepted, and only skims it: on anything else
// the result is incomplete.
type lineIndex struct {
	text    string
	pos     int
	line    int            // of text[counted]
	counted int            // how far line breaks are counted
	tables  map[string]int // length of each array of tables so far
	lines   map[string]int
}

// keyLines maps the path of each key, table and list element to its line.
func keyLines(text string) map[string]int {
	text = strings.TrimPrefix(text, "\ufeff") // a byte order mark
	x := &lineIndex{text: text, line: 1, tables: map[string]int{}, lines: map[string]int{}}
	table := ""
	for x.skip(); x.pos < len(text); x.skip() {
		start := x.pos
		if x.accept("[[") {
			table = x.header(true)
		} else if x.accept("[") {
			table = x.header(false)
		} else {
			x.keyValue(table)
		}
		if x.pos == start {
			break
		}
	}
	return x.lines
}

// header reads the name of a table up to its bracket and returns its path.
func (x *lineIndex) header(array bool) string {
	parts := x.key()
	path := ""
	for i, part := range parts {
		path = join(path, part)
		if array && i == len(parts)-1 {
			x.tables[path]++
		}
		if n := x.tables[path]; n > 0 {
			path = element(path, n-1)
		}
	}
	x.record(path)
	for x.accept(" ") || x.accept("\t") || x.accept("]") {
		continue
	}
	return path
}

// keyValue reads a key and its value in the table at path.
func (x *lineIndex) keyValue(path string) {
	for _, part := range x.key() {
		path = join(path, part)
		x.record(path)
	}
	x.accept("=")
	x.value(path)
}

// value skims the value at path.
func (x *lineIndex) value(path string) {
	x.skip()
	x.record(path)
	switch {
	case x.accept(`"""`):
		x.skipText(`"""`, true)
	case x.accept(`'''`):
		x.skipText(`'''`, false)
	case x.accept(`"`):
		x.skipText(`"`, true)
	case x.accept(`'`):
		x.skipText(`'`, false)
	case x.accept("["):
		x.members("]", func(i int) { x.value(element(path, i)) })
	case x.accept("{"):
		x.members("}", func(int) { x.keyValue(path) })
	default:
		n := strings.IndexAny(x.text[x.pos:], ",]}#\n")
		if n < 0 {
			n = len(x.text) - x.pos
		}
		x.pos += n
	}
}

// members reads what is between brackets and commas.
func (x *lineIndex) members(end string, member func(i int)) {
	for i := 0; x.pos < len(x.text); i++ {
		x.skip()
		if x.accept(end) {
			return
		}
		start := x.pos
		member(i)
		x.skip()
		if !x.accept(",") && x.pos == start {
			return
		}
	}
}

// skipText skips a string whose opening quote is read.
func (x *lineIndex) skipText(quote string, escapes bool) {
	for x.pos < len(x.text) {
		switch {
		case escapes && x.text[x.pos] == '\\':
			x.pos = min(x.pos+2, len(x.text))
		case x.accept(quote):
			for len(quote) == 3 && x.accept(quote[:1]) {
				continue // quotes that end the string stand before its delimiter
			}
			return
		default:
			x.pos++
		}
	}
}

// key reads a dotted key.
func (x *lineIndex) key() []string {
	var parts []string
	for {
		x.blanks()
		start := x.pos
		switch {
		case x.accept(`"`):
			x.skipText(`"`, true)
			parts = append(parts, strings.Trim(x.text[start:x.pos], `"`))
		case x.accept(`'`):
			x.skipText(`'`, false)
			parts = append(parts, strings.Trim(x.text[start:x.pos], `'`))
		default:
			for x.pos < len(x.text) && bare(x.text[x.pos]) {
				x.pos++
			}
			parts = append(parts, x.text[start:x.pos])
		}
		x.blanks()
		if !x.accept(".") {
			return parts
		}
	}
}

// bare reports whether c may stand in a key without quotes.
func bare(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
}

// skip passes white space, line breaks and comments.
func (x *lineIndex) skip() {
	for x.pos < len(x.text) {
		switch x.text[x.pos] {
		case ' ', '\t', '\r', '\n':
			x.pos++
		case '#':
			n := strings.IndexByte(x.text[x.pos:], '\n')
			if n < 0 {
				n = len(x.text) - x.pos
			}
			x.pos += n
		default:
			return
		}
	}
}

// blanks passes spaces and tabs.
func (x *lineIndex) blanks() {
	for x.accept(" ") || x.accept("\t") {
		continue
	}
}

// accept passes token if it stands here.
func (x *lineIndex) accept(token string) bool {
	if !strings.HasPrefix(x.text[x.pos:], token) {
		return false
	}
	x.pos += len(token)
	return true
}

// record notes the line where path is first named.
func (x *lineIndex) record(path string) {
	x.line += strings.Count(x.text[x.counted:x.pos], "\n")
	x.counted = x.pos
	if _, ok := x.lines[path]; !ok {
		x.lines[path] = x.line
	}
}
