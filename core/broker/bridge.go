package broker

import (
	"maps"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// MaxHops is how many bridges a message may cross; more is a loop.
const MaxHops = 4

// bridged are the details of an EVENT that crosses a bridge, beside the topic:
// what is told of publisher and payload, the black- and whitelists, the resource
// key, and the number of bridges crossed. The other router takes them apart in
// Forward.
func (p *publication) bridged() wamp.Dict {
	d := wamp.Dict{"_hops": p.hops + 1}
	maps.Copy(d, p.told)
	delete(d, "trustlevel") // the other router has its own view
	if p.key != "" {
		d["_rkey"] = p.key
	}
	if p.filter != nil {
		maps.Copy(d, p.filter.lists)
	}
	return d
}

// Forward delivers an event that came over the bridge for which the session
// stands; check says whether its topic may come this way. It keeps the
// publication's id and what was told of publisher and payload.
func (s *Session) Forward(b *peer.Batch, m *wamp.Event, check func(topic wamp.URI) error) error {
	topic, err := m.Details.String("topic")
	if err != nil {
		return err
	}
	p := publication{id: m.Publication, topic: wamp.URI(topic), payload: m.Payload, from: s.peer}
	if p.hops, err = m.Details.Int("_hops"); err != nil {
		return err
	}
	if p.hops > MaxHops {
		return wamp.Errorf(wamp.ErrUnavailable, "event on %q crossed %d bridges", topic, p.hops)
	}
	if err := check(p.topic); err != nil {
		return err
	}
	if p.filter, err = readFilter(m.Details); err != nil {
		return err
	}
	if p.key, err = m.Details.String("_rkey"); err != nil {
		return err
	}
	p.limited = p.filter != nil || p.key != ""
	if p.told, err = m.Details.Passthru(); err != nil {
		return err
	}
	for _, key := range []string{"publisher", "publisher_authid", "publisher_authrole"} {
		if v, ok := m.Details[key]; ok {
			p.tell(wamp.Dict{key: v})
		}
	}
	p.trust(s.peer)
	s.br.deliver(b, &p)
	return nil
}
