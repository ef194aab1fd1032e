package broker

import (
	"maps"
	"slices"

	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Publish sends an event to every session whose subscription matches m's
// topic, once per subscription, and queues PUBLISHED if m asks for it
// (sections "Publisher Exclusion", "Publisher Identification" and "Subscriber
// Black- and Whitelisting"). The caller has checked the URI.
func (s *Session) Publish(b *peer.Batch, m *wamp.Publish) error {
	o, err := readOptions(m.Options)
	if err != nil {
		return err
	}
	if o.disclose && s.br.cfg.Load().NoDisclosure {
		return wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose publishers")
	}
	p := publication{
		id: wamp.RandomID(), topic: m.Topic, payload: m.Payload,
		includeMe: o.includeMe, filter: o.filter,
	}
	if o.disclose {
		p.publisher = s.peer.Disclosed("publisher")
	}
	s.deliver(b, &p)
	if o.acknowledge {
		f := peer.NewFrame(&wamp.Published{Request: m.Request, Publication: p.id})
		defer f.Free()
		s.peer.Reply(b, f)
	}
	return nil
}

// Acknowledge reports whether the publisher of m wants an answer. Without one
// even an error stays silent.
func Acknowledge(m *wamp.Publish) bool {
	ack, _ := m.Options["acknowledge"].(bool)
	return ack
}

// publication is one event on its way to all its subscribers.
type publication struct {
	id        wamp.ID
	topic     wamp.URI
	payload   wamp.Payload
	publisher wamp.Dict // what is disclosed of the publisher
	includeMe bool
	filter    *filter
	hops      int64 // bridges crossed
}

// deliver queues an EVENT for each subscription that matches.
func (s *Session) deliver(b *peer.Batch, p *publication) {
	var room [8]*subscription
	matches := s.br.index.Match(room[:0], p.topic)
	if len(matches) == 0 {
		return
	}
	// All receivers are those of this moment: who moves from one subscription
	// to another meanwhile must not get the event twice.
	var places [8]pattern.View[subscriber]
	views := places[:0]
	for _, sub := range matches {
		views = append(views, sub.members.View())
	}
	f := peer.NewFrame(nil)
	defer f.Free()
	var crossing crossing
	for i, sub := range matches {
		f.Event = wamp.Event{Subscription: sub.id, Publication: p.id, Details: p.details(sub), Payload: p.payload}
		f.Set(&f.Event)
		for h := range views[i].All {
			switch to := h.peer; {
			case to.Via != nil:
				if to.Via != s.peer.Via && to.Topics(p.topic) {
					crossing.send(b, p, h)
				}
			case to == s.peer && !p.includeMe:
			case p.filter == nil || p.filter.allows(to):
				to.Send(b, f, peer.Droppable, &h.gate)
			}
		}
	}
	crossing.free()
}

// details of the EVENT for sub: the topic where the subscription does not tell
// it, and the publisher where it wants to be known. Nil is the common case.
func (p *publication) details(sub *subscription) wamp.Dict {
	if sub.match == wamp.MatchExact {
		return p.publisher
	}
	d := make(wamp.Dict, 4)
	maps.Copy(d, p.publisher)
	d["topic"] = string(p.topic)
	return d
}

// crossing is a publication on its way over bridges: each gets it once, however
// many of its subscriptions match, with everything that the other router needs
// to deliver it.
type crossing struct {
	frame *peer.Frame
	seen  []*peer.Peer
}

func (c *crossing) send(b *peer.Batch, p *publication, h *subscriber) {
	if slices.Contains(c.seen, h.peer) {
		return
	}
	c.seen = append(c.seen, h.peer)
	if c.frame == nil {
		c.frame = peer.NewFrame(&wamp.Event{
			Subscription: h.sub.id, Publication: p.id, Details: p.bridged(), Payload: p.payload,
		})
	}
	h.peer.Send(b, c.frame, peer.Droppable, &h.gate)
}

func (c *crossing) free() {
	if c.frame != nil {
		c.frame.Free()
	}
}
