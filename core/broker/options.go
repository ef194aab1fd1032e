package broker

import (
	"time"

	"bondy/core/wamp"
)

// options of a PUBLISH.
type options struct {
	acknowledge, includeMe, disclose, retain bool

	ttl    time.Duration // of the retained event; 0 when not given
	key    string        // the resource key, "" when not given
	filter *filter

	passthru wamp.Dict // what is told of the payload
}

// readOptions looks at what there is instead of for all there might be: most
// publications have one option or none.
func readOptions(d wamp.Dict) (o options, err error) {
	filtered := false
	for name, v := range d {
		if v == nil {
			continue
		}
		switch name {
		case "acknowledge":
			o.acknowledge, err = d.Bool(name)
		case "disclose_me":
			o.disclose, err = d.Bool(name)
		case "exclude_me":
			var exclude bool
			exclude, err = d.Bool(name)
			o.includeMe = !exclude
		case "retain":
			o.retain, err = d.Bool(name)
		case "rkey", "_routing_key", "x_routing_key":
			o.key, err = either(d.String, d, "rkey", "_routing_key", "x_routing_key")
		case "_retained_ttl", "x_retained_ttl":
			o.ttl, err = readTTL(d)
		case "ppt_scheme":
			o.passthru, err = d.Passthru()
		case "exclude", "eligible", "exclude_authid", "eligible_authid", "exclude_authrole", "eligible_authrole":
			filtered = true
		}
		if err != nil {
			return o, err
		}
	}
	if filtered {
		o.filter, err = readFilter(d)
	}
	return o, err
}

// either reads the first of several names of an option that is there.
func either[T any](read func(string) (T, error), d wamp.Dict, names ...string) (v T, err error) {
	for _, name := range names {
		if d[name] != nil {
			return read(name)
		}
	}
	return v, nil
}

// maxTTL is as good as for ever.
const maxTTL = 100 * 365 * 24 * time.Hour

// readTTL reads how many seconds the retained event is to live.
func readTTL(d wamp.Dict) (time.Duration, error) {
	secs, err := either(d.Int, d, "_retained_ttl", "x_retained_ttl")
	if err != nil {
		return 0, err
	}
	if secs < 0 {
		return 0, wamp.Errorf(wamp.ErrInvalidArgument, "_retained_ttl is %d, it must be a number of seconds, or 0 for the default", secs)
	}
	return time.Duration(min(secs, int64(maxTTL/time.Second))) * time.Second, nil
}

// subscribeOptions are the options of a SUBSCRIBE but match.
type subscribeOptions struct {
	retained bool
	info     info
	shard    shard
}

func readSubscribeOptions(cfg *Config, d wamp.Dict) (o subscribeOptions, err error) {
	if len(d) == 0 {
		return o, nil
	}
	key, err := d.String("nkey")
	if err == nil && len(key) > wamp.MaxURILength {
		err = wamp.Errorf(wamp.ErrInvalidArgument, "nkey has %d bytes, at most %d will do", len(key), wamp.MaxURILength)
	}
	if err != nil {
		return o, err
	}
	o.shard = shardOf(key)
	if o.info, err = readInfo(cfg, d); err != nil {
		return o, err
	}
	o.retained, err = d.Bool("get_retained")
	return o, err
}

// CheckOptions says why Publish would refuse a publication with these options,
// nil if it would not.
func (br *Broker) CheckOptions(d wamp.Dict) error {
	o, err := readOptions(d)
	if err == nil && o.disclose && br.cfg.Load().NoDisclosure {
		return wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose publishers")
	}
	return err
}
