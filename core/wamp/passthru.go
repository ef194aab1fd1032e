package wamp

// maxPassthru bounds each attribute of payload passthru mode, in bytes: they
// are kept with events that are retained and calls that wait.
const maxPassthru = 1024

// Passthru is what d says of a payload that the router is not to look into
// (section "Payload Passthru Mode"): ppt_scheme, ppt_serializer, ppt_cipher and
// ppt_keyid, as far as they are given, in a Dict of their own. It is nil if there
// is no scheme: then the mode is not in use. Whether the scheme is known, and
// what belongs to it, is between the peers.
func (d Dict) Passthru() (Dict, error) {
	scheme, err := d.String("ppt_scheme")
	if err != nil || scheme == "" {
		return nil, err
	}
	p := make(Dict, 4)
	for _, key := range [...]string{"ppt_scheme", "ppt_serializer", "ppt_cipher", "ppt_keyid"} {
		switch s, err := d.String(key); {
		case err != nil:
			return nil, err
		case len(s) > maxPassthru:
			return nil, Violationf("%q has %d bytes: it may have %d", key, len(s), maxPassthru)
		case d[key] != nil:
			p[key] = s
		}
	}
	return p, nil
}
