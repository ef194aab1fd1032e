package broker

import (
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Publish sends an event to every session whose subscription matches m's
// topic, once per subscription, and queues PUBLISHED if m asks for it
// (sections "Publisher Exclusion" and "Publisher Identification"). The caller
// has checked the URI.
func (s *Session) Publish(b *peer.Batch, m *wamp.Publish) error {
	o, err := readOptions(m.Options)
	if err != nil {
		return err
	}
	if o.disclose && s.br.cfg.NoDisclosure {
		return wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose publishers")
	}
	publication := wamp.RandomID()
	var room [8]*subscription
	if matches := s.br.index.Match(room[:0], m.Topic); len(matches) > 0 {
		f := peer.NewFrame(nil)
		defer f.Free()
		for _, sub := range matches {
			f.Event = wamp.Event{
				Subscription: sub.id, Publication: publication,
				Details: s.details(sub, m.Topic, o.disclose), Payload: m.Payload,
			}
			f.Set(&f.Event)
			for h := range sub.members.All {
				if h.peer != s.peer || o.includeMe {
					h.peer.Send(b, f, peer.Droppable, &h.gate)
				}
			}
		}
	}
	if o.acknowledge {
		f := peer.NewFrame(&wamp.Published{Request: m.Request, Publication: publication})
		defer f.Free()
		s.peer.Send(b, f, peer.Reply, nil)
	}
	return nil
}

// Acknowledge reports whether the publisher of m wants an answer. Without one
// even an error stays silent.
func Acknowledge(m *wamp.Publish) bool {
	ack, _ := m.Options["acknowledge"].(bool)
	return ack
}

type options struct{ acknowledge, includeMe, disclose bool }

func readOptions(d wamp.Dict) (o options, err error) {
	if len(d) == 0 {
		return o, nil
	}
	if o.acknowledge, err = d.Bool("acknowledge"); err != nil {
		return o, err
	}
	if o.disclose, err = d.Bool("disclose_me"); err != nil {
		return o, err
	}
	if _, ok := d["exclude_me"]; ok {
		exclude, err := d.Bool("exclude_me")
		if err != nil {
			return o, err
		}
		o.includeMe = !exclude
	}
	return o, nil
}

// details of the EVENT for sub: the topic where the subscription does not tell
// it, and the publisher where it wants to be known. Nil is the common case.
func (s *Session) details(sub *subscription, topic wamp.URI, disclose bool) wamp.Dict {
	if sub.match == wamp.MatchExact && !disclose {
		return nil
	}
	d := make(wamp.Dict, 4)
	if sub.match != wamp.MatchExact {
		d["topic"] = string(topic)
	}
	if disclose {
		d["publisher"] = s.peer.Session
		d["publisher_authid"] = s.peer.AuthID
		d["publisher_authrole"] = s.peer.AuthRole
	}
	return d
}
