package config

import (
	"encoding"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"bondy/core/strict"
)

// decoder copies a TOML document, given as nested maps, into a struct whose
// fields carry toml tags, and notes everything that does not fit. Fields that
// the document does not mention keep their value.
type decoder struct{ problems }

// value decodes raw, which stands at path, into v.
func (d *decoder) value(path string, v reflect.Value, raw any) {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		v = v.Elem()
	}
	switch to := v.Addr().Interface().(type) {
	case *time.Duration:
		decodeText(d, path, raw, `a duration such as "5s"`, func(s string) error {
			n, err := time.ParseDuration(s)
			if err != nil || n < 0 {
				return fmt.Errorf(`invalid duration %q: want one such as "500ms", "5s" or "1h30m"`, s)
			}
			*to = n
			return nil
		})
		return
	case encoding.TextUnmarshaler:
		decodeText(d, path, raw, "a string", func(s string) error { return to.UnmarshalText([]byte(s)) })
		return
	}
	switch v.Kind() {
	case reflect.String:
		decodeText(d, path, raw, "a string", func(s string) error { v.SetString(s); return nil })
	case reflect.Struct:
		d.table(path, v, raw)
	case reflect.Slice:
		d.list(path, v, raw)
	case reflect.Map:
		d.mapping(path, v, raw)
	case reflect.Bool:
		if b, ok := typed[bool](d, path, raw, "true or false"); ok {
			v.SetBool(b)
		}
	case reflect.Int:
		n, ok := typed[int64](d, path, raw, "a whole number")
		switch {
		case !ok:
		case v.OverflowInt(n):
			d.addf(path, "%d is too large", n)
		default:
			v.SetInt(n)
		}
	default:
		panic("config: a field of type " + v.Type().String() + " cannot be decoded")
	}
}

// table decodes a TOML table into a struct.
func (d *decoder) table(path string, v reflect.Value, raw any) {
	tree, ok := typed[map[string]any](d, path, raw, "a table")
	if !ok {
		return
	}
	names := keys(v.Type())
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		at := join(path, key)
		if i := slices.Index(names, key); i >= 0 {
			d.value(at, v.Field(i), tree[key])
		} else if path == "" && slices.Contains(laterSections(), key) {
			d.addf(at, "this release does not have section %s yet", key)
		} else {
			d.addf(at, "unknown key%s", strict.Suggest(key, names))
		}
	}
}

// mapping decodes a TOML table into a map.
func (d *decoder) mapping(path string, v reflect.Value, raw any) {
	tree, ok := typed[map[string]any](d, path, raw, "a table")
	switch {
	case !ok:
	case v.Type().Elem().Kind() == reflect.Interface:
		v.Set(reflect.ValueOf(d.free(path, tree)))
	default:
		v.Set(reflect.MakeMap(v.Type()))
		for _, key := range slices.Sorted(maps.Keys(tree)) {
			e := reflect.New(v.Type().Elem()).Elem()
			d.value(join(path, key), e, tree[key])
			v.SetMapIndex(reflect.ValueOf(key), e)
		}
	}
}

// list decodes a TOML array into a slice, which replaces the one before.
func (d *decoder) list(path string, v reflect.Value, raw any) {
	from := reflect.ValueOf(raw)
	if from.Kind() != reflect.Slice {
		d.addf(path, "want a list, got %s", kind(raw))
		return
	}
	to := reflect.MakeSlice(v.Type(), from.Len(), from.Len())
	for i := range from.Len() {
		e := to.Index(i)
		if s, ok := reflect.TypeAssert[interface{ setDefaults() }](e.Addr()); ok {
			s.setDefaults()
		}
		d.value(element(path, i), e, from.Index(i).Interface())
	}
	v.Set(to)
}

// free copies a value that has no schema and expands its strings.
func (d *decoder) free(path string, raw any) any {
	switch raw := raw.(type) {
	case string:
		s, err := expand(raw)
		if err != nil {
			d.addf(path, "%v", err)
		}
		return s
	case map[string]any:
		to := make(map[string]any, len(raw))
		for key, value := range raw {
			to[key] = d.free(join(path, key), value)
		}
		return to
	case []map[string]any:
		to := make([]any, len(raw))
		for i, value := range raw {
			to[i] = d.free(element(path, i), value)
		}
		return to
	case []any:
		to := make([]any, len(raw))
		for i, value := range raw {
			to[i] = d.free(element(path, i), value)
		}
		return to
	default:
		return raw
	}
}

// decodeText gives the string raw, with its variables expanded, to set.
func decodeText(d *decoder, path string, raw any, want string, set func(string) error) {
	s, ok := typed[string](d, path, raw, want)
	if !ok {
		return
	}
	s, err := expand(s)
	if err == nil {
		err = set(s)
	}
	if err != nil {
		d.addf(path, "%v", err)
	}
}

// typed asserts the type of raw.
func typed[T any](d *decoder, path string, raw any, want string) (T, bool) {
	t, ok := raw.(T)
	if !ok {
		d.addf(path, "want %s, got %s", want, kind(raw))
	}
	return t, ok
}

// keys are the TOML names of a struct's fields, in order.
func keys(t reflect.Type) []string {
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = t.Field(i).Tag.Get("toml")
	}
	return names
}

// kind names the TOML type of a value.
func kind(raw any) string {
	switch raw.(type) {
	case string:
		return "a string"
	case int64, float64:
		return "a number"
	case bool:
		return "a boolean"
	case time.Time:
		return "a date"
	case map[string]any:
		return "a table"
	default:
		return "a list"
	}
}
