package wamp

// Dict holds Options, Details or Extra of a message. Values are what the
// codecs produce: nil, bool, int64 (uint64 above 2^63-1), float64, string,
// []byte, []any and map[string]any. A nil Dict is empty.
//
// The typed readers below return the zero value when the key is absent or null
// (clients write an option that was not given so) and a protocol violation when the value has another type: "integers MUST NOT be
// used instead of boolean value", and no message is polymorphic.
type Dict map[string]any

// Bool reads a boolean.
func (d Dict) Bool(key string) (bool, error) {
	v := d[key]
	if v == nil {
		return false, nil
	}
	b, ok := v.(bool)
	if !ok {
		return false, wrongType(key, "a boolean", v)
	}
	return b, nil
}

// String reads a string.
func (d Dict) String(key string) (string, error) {
	v := d[key]
	if v == nil {
		return "", nil
	}
	s, ok := v.(string)
	if !ok {
		return "", wrongType(key, "a string", v)
	}
	return s, nil
}

// Int reads an integer that fits an int64.
func (d Dict) Int(key string) (int64, error) {
	v := d[key]
	if v == nil {
		return 0, nil
	}
	i, ok := v.(int64)
	if !ok {
		return 0, wrongType(key, "an integer", v)
	}
	return i, nil
}

// Dict reads a nested dictionary.
func (d Dict) Dict(key string) (Dict, error) {
	v := d[key]
	if v == nil {
		return nil, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, wrongType(key, "a dict", v)
	}
	return m, nil
}

// List reads a list.
func (d Dict) List(key string) ([]any, error) {
	v := d[key]
	if v == nil {
		return nil, nil
	}
	l, ok := v.([]any)
	if !ok {
		return nil, wrongType(key, "a list", v)
	}
	return l, nil
}

// Strings reads a list of strings.
func (d Dict) Strings(key string) ([]string, error) {
	l, err := d.List(key)
	if err != nil || l == nil {
		return nil, err
	}
	out := make([]string, len(l))
	for i, v := range l {
		s, ok := v.(string)
		if !ok {
			return nil, wrongType(key, "a list of strings", v)
		}
		out[i] = s
	}
	return out, nil
}

func wrongType(key, want string, got any) error {
	return Violationf("%q must be %s, got %s", key, want, TypeName(got))
}

// TypeName is the protocol's word for the type of a decoded value, for error
// messages.
func TypeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case int64, uint64:
		return "an integer"
	case float64:
		return "a float"
	case string:
		return "a string"
	case []byte:
		return "binary"
	case []any:
		return "a list"
	case map[string]any, Dict:
		return "a dict"
	default:
		return "an unknown type"
	}
}

// Match reads the option "match"; absent means exact. A name that is not a
// matching policy is an ErrInvalidArgument, not a violation.
func (d Dict) Match() (Match, error) {
	name, err := d.String("match")
	if err != nil || name == "" {
		return MatchExact, err
	}
	m, ok := ParseMatch(name)
	if !ok {
		return MatchExact, Errorf(ErrInvalidArgument, "unknown matching policy %q: use exact, prefix or wildcard", name)
	}
	return m, nil
}
