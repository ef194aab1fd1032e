package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Record is an Event as the log has it: a line of JSON. Its hash is the SHA-256
// of all that stands before it in the line; as Prev, the hash of the record
// before, stands there, it vouches for all records up to this one.
type Record struct {
	// Seq numbers the records of a log from 1.
	Seq uint64 `json:"seq"`
	Event
	// Repeated is how many events like this one the record stands for; 0 is one.
	Repeated uint64 `json:"repeated,omitempty"`
	// Lost is how many events before this one are in no record.
	Lost uint64 `json:"lost,omitempty"`
	// Segment is the number of the file that the record begins, and Oldest that
	// of the oldest that is kept; 0 in a record within a file.
	Segment uint64 `json:"segment,omitempty"`
	Oldest  uint64 `json:"oldest,omitempty"`
	// Beside is the end of another chain, as ParseHead reads it, which had come to
	// be there, durably, when the record was made.
	Beside string `json:"beside,omitempty"`
	// Prev and Hash are in hex.
	Prev string `json:"prev"`
	Hash string `json:"hash"`
}

// Head is the end of a chain: the number and the hash of its last record. The
// zero value is that of an empty log.
type Head struct {
	Seq  uint64
	Hash [sha256.Size]byte
}

// String is the hash in hex.
func (h Head) String() string { return hex.EncodeToString(h.Hash[:]) }

// Text is the head as a Record has it in Beside: number, colon, hash; empty for
// that of an empty log.
func (h Head) Text() string {
	if h == (Head{}) {
		return ""
	}
	return fmt.Sprintf("%d:%s", h.Seq, h)
}

// ParseHead reads what Head.Text gave.
func ParseHead(text string) (h Head, err error) {
	seq, hash, _ := strings.Cut(text, ":")
	if h.Seq, err = strconv.ParseUint(seq, 10, 64); err == nil && len(hash) == 2*len(h.Hash) {
		_, err = hex.Decode(h.Hash[:], []byte(hash))
	}
	if err != nil || h.Text() != text {
		return Head{}, fmt.Errorf("%q is no end of a chain", text)
	}
	return h, nil
}

// MaxLine is more than the longest line of a log, in bytes.
const MaxLine = 128 << 10

// A line ends with a hash between these.
const (
	hashKey  = `,"hash":"`
	hashEnd  = `"}`
	tailSize = len(hashKey) + 2*sha256.Size + len(hashEnd)
)

// Append appends the record that follows h to line, with a line break, and moves
// h on to it. It sets what chains the record: Seq, Prev and Hash count for
// nothing.
func (h *Head) Append(line []byte, r *Record) []byte {
	start := len(line)
	line = append(line, `{"seq":`...)
	line = strconv.AppendUint(line, h.Seq+1, 10)
	line = append(line, `,"time":"`...)
	line = r.Time.UTC().AppendFormat(line, time.RFC3339Nano)
	line = append(line, '"')
	line = appendText(line, "kind", string(r.Kind))
	line = appendText(line, "outcome", string(r.Outcome))
	line = appendText(line, "realm", string(r.Realm))
	line = appendText(line, "authid", r.AuthID)
	line = appendText(line, "authmethod", r.AuthMethod)
	line = appendNumber(line, "session", uint64(r.Session))
	if r.Remote.IsValid() {
		line = appendText(line, "remote", r.Remote.String())
	}
	line = appendText(line, "agent", r.Agent)
	line = appendText(line, "action", r.Action)
	line = appendText(line, "object", r.Object)
	line = appendText(line, "reason", r.Reason)
	if len(r.Changes) > 0 {
		line = append(line, `,"changes":`...)
		for i, c := range r.Changes {
			line = appendString(append(line, "[,"[min(i, 1)]), c)
		}
		line = append(line, ']')
	}
	line = appendNumber(line, "repeated", r.Repeated)
	line = appendNumber(line, "lost", r.Lost)
	line = appendNumber(line, "segment", r.Segment)
	line = appendNumber(line, "oldest", r.Oldest)
	line = appendText(line, "beside", r.Beside)
	line = append(line, `,"prev":"`...)
	line = hex.AppendEncode(line, h.Hash[:])
	line = append(line, '"')
	*h = Head{h.Seq + 1, sha256.Sum256(line[start:])}
	line = append(line, hashKey...)
	line = hex.AppendEncode(line, h.Hash[:])
	return append(line, hashEnd+"\n"...)
}

func appendNumber(line []byte, key string, n uint64) []byte {
	if n == 0 {
		return line
	}
	line = append(append(append(line, `,"`...), key...), `":`...)
	return strconv.AppendUint(line, n, 10)
}

func appendText(line []byte, key, text string) []byte {
	if text == "" {
		return line
	}
	line = append(append(append(line, `,"`...), key...), `":`...)
	return appendString(line, text)
}

// appendString appends a JSON string that no terminal takes for anything but
// text: what does not print is escaped.
func appendString(line []byte, s string) []byte {
	line = append(line, '"')
	for _, c := range s {
		line = appendRune(line, c)
	}
	return append(line, '"')
}

func appendRune(line []byte, c rune) []byte {
	switch {
	case c == '"' || c == '\\':
		return append(line, '\\', byte(c))
	case unicode.IsPrint(c):
		return utf8.AppendRune(line, c)
	}
	for _, unit := range utf16.AppendRune(nil, c) {
		line = fmt.Appendf(line, `\u%04x`, unit)
	}
	return line
}

// ParseRecord reads a line, with or without its line break, and checks that its
// hash is its own. Whether it follows another record is for Head.Follow to say.
func ParseRecord(line []byte) (*Record, error) {
	line = bytes.TrimSuffix(line, []byte("\n"))
	body := len(line) - tailSize
	if body < 0 || len(line) > MaxLine || !bytes.HasPrefix(line[body:], []byte(hashKey)) {
		return nil, errors.New("it does not end like a record")
	}
	sum := sha256.Sum256(line[:body])
	if string(line[body:]) != hashKey+hex.EncodeToString(sum[:])+hashEnd {
		return nil, errors.New("it was changed: its hash is not the one it has")
	}
	r := &Record{}
	if err := json.Unmarshal(line, r); err != nil {
		return nil, fmt.Errorf("it is no record: %w", err)
	}
	return r, nil
}

// Follow moves h on to r if r is the record that follows, and says otherwise why
// it is not. A record that ParseRecord did not return has no business here.
func (h *Head) Follow(r *Record) error {
	if r.Seq != h.Seq+1 {
		return fmt.Errorf("after record %d comes record %d", h.Seq, r.Seq)
	}
	if r.Prev != h.String() {
		return fmt.Errorf("record %d does not follow the record %d before it", r.Seq, h.Seq)
	}
	*h = r.Head()
	return nil
}

// Head is the end of a chain whose last record is r.
func (r *Record) Head() Head {
	h := Head{Seq: r.Seq}
	_, _ = hex.Decode(h.Hash[:], []byte(r.Hash)) // ParseRecord has checked it
	return h
}

// Before is the end of the chain before r.
func (r *Record) Before() (Head, error) {
	h := Head{Seq: r.Seq - 1}
	if n, err := hex.Decode(h.Hash[:], []byte(r.Prev)); err != nil || n != len(h.Hash) || len(r.Prev) != 2*n || r.Seq == 0 {
		return Head{}, fmt.Errorf("record %d does not say what it follows", r.Seq)
	}
	return h, nil
}
