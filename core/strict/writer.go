package strict

import (
	"encoding"
	"encoding/json"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
)

// writer puts a tree into Go values.
type writer struct {
	Decoder
	tree     *tree
	problems []*Error
}

func (w *writer) decode(root node, to any) { w.value("", reflect.ValueOf(to).Elem(), root) }

func (w *writer) addf(at int, path, format string, args ...any) {
	w.problems = append(w.problems, &Error{Line: w.tree.line(at), Path: path, Message: fmt.Sprintf(format, args...)})
}

// field is a *Field of any type.
type field interface{ begin(null bool) reflect.Value }

// value puts n, which stands at path, into v.
func (w *writer) value(path string, v reflect.Value, n node) {
	if f, ok := reflect.TypeAssert[field](v.Addr()); ok {
		v = f.begin(n.value == nil)
	}
	if n.value == nil {
		return
	}
	switch to := v.Addr().Interface().(type) {
	case json.Unmarshaler:
		raw, err := json.Marshal(n.plain())
		if err == nil {
			err = to.UnmarshalJSON(raw)
		}
		w.note(path, n, err)
		return
	case encoding.TextUnmarshaler:
		if s, ok := typed[string](w, path, n, "a string"); ok {
			err := to.UnmarshalText([]byte(s))
			if _, ok := to.(*netip.Prefix); ok && err != nil { // which would speak of Go
				err = fmt.Errorf("%q is no address prefix such as 10.0.0.0/8", s)
			}
			w.note(path, n, err)
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		if s, ok := typed[string](w, path, n, "a string"); ok {
			v.SetString(s)
		}
	case reflect.Bool:
		if b, ok := typed[bool](w, path, n, "true or false"); ok {
			v.SetBool(b)
		}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		w.number(path, v, n)
	case reflect.Slice:
		w.list(path, v, n)
	case reflect.Map:
		w.table(path, v, n)
	case reflect.Struct:
		w.object(path, v, n)
	default:
		panic("strict: a field of type " + v.Type().String() + " cannot be decoded")
	}
}

func (w *writer) note(path string, n node, err error) {
	if err != nil {
		w.addf(n.end, path, "%v", err)
	}
}

func (w *writer) number(path string, v reflect.Value, n node) {
	text, ok := typed[json.Number](w, path, n, "a whole number")
	if !ok {
		return
	}
	var err error
	if v.Kind() == reflect.Uint64 {
		var i uint64
		i, err = strconv.ParseUint(string(text), 10, 64)
		v.SetUint(i)
	} else {
		var i int64
		i, err = strconv.ParseInt(string(text), 10, v.Type().Bits())
		v.SetInt(i)
	}
	if err != nil {
		w.addf(n.end, path, "%s is not a whole number in range", text)
	}
}

func (w *writer) list(path string, v reflect.Value, n node) {
	list, ok := typed[[]node](w, path, n, "a list")
	if !ok {
		return
	}
	to := reflect.MakeSlice(v.Type(), len(list), len(list))
	for i, e := range list {
		at := fmt.Sprintf("%s[%d]", path, i)
		if e.value == nil {
			w.addf(e.end, at, "must not be null")
			continue
		}
		w.value(at, to.Index(i), e)
	}
	v.Set(to)
}

func (w *writer) table(path string, v reflect.Value, n node) {
	list, ok := typed[[]member](w, path, n, "an object")
	if !ok {
		return
	}
	to := reflect.MakeMap(v.Type())
	for _, m := range list {
		at, e := join(path, m.name), reflect.New(v.Type().Elem()).Elem()
		if to.MapIndex(reflect.ValueOf(m.name)).IsValid() {
			w.addf(m.at, at, "is there twice")
		}
		w.value(at, e, m.node)
		to.SetMapIndex(reflect.ValueOf(m.name), e)
	}
	v.Set(to)
}

func (w *writer) object(path string, v reflect.Value, n node) {
	list, ok := typed[[]member](w, path, n, "an object")
	if !ok {
		return
	}
	if to, ok := reflect.TypeAssert[Lined](v.Addr()); ok {
		at := n.end
		if len(list) > 0 {
			at = list[0].at
		}
		to.SetLine(w.tree.line(at))
	}
	names, fields := membersOf(v)
	seen := make(map[string]bool, len(list))
	for _, m := range list {
		at := join(path, m.name)
		to, known := fields[m.name]
		switch {
		case seen[m.name]:
			w.addf(m.at, at, "is there twice")
		case known:
			w.value(at, to, m.node)
		case w.Unknown != nil:
			w.Unknown(w.tree.line(m.at), at)
		case w.Explain[m.name] != "":
			w.addf(m.at, at, "%s", w.Explain[m.name])
		default:
			w.addf(m.at, at, "unknown key%s", Suggest(m.name, names))
		}
		seen[m.name] = true
	}
}

// membersOf are the members of a struct, by their names.
func membersOf(v reflect.Value) (names []string, fields map[string]reflect.Value) {
	fields = make(map[string]reflect.Value)
	for _, f := range reflect.VisibleFields(v.Type()) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		names = append(names, name)
		fields[name] = v.FieldByIndex(f.Index)
	}
	return names, fields
}

// typed asserts the type of a node.
func typed[T any](w *writer, path string, n node, want string) (T, bool) {
	t, ok := n.value.(T)
	if !ok {
		w.addf(n.end, path, "want %s, got %s", want, n.kind())
	}
	return t, ok
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
