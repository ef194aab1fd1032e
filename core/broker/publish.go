package broker

import (
	"maps"
	"slices"

	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// Publish sends an event to every session whose subscription matches m's
// topic, once per subscription, keeps it if it is to be retained, and queues
// PUBLISHED if m asks for it (sections "Publisher Exclusion", "Publisher
// Identification", "Publication Trust Levels", "Subscriber Black- and
// Whitelisting", "Event Retention" and "Payload Passthru Mode"). The caller has
// checked the URI.
func (s *Session) Publish(b *peer.Batch, m *wamp.Publish) error {
	var o options
	if len(m.Options) > 0 {
		var err error
		if o, err = readOptions(m.Options); err != nil {
			return err
		}
	}
	if o.disclose && s.br.cfg.Load().NoDisclosure {
		return wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose publishers")
	}
	p := publication{
		id: wamp.RandomID(), topic: m.Topic, payload: m.Payload, from: s.peer,
		includeMe: o.includeMe, filter: o.filter, key: o.key, limited: o.filter != nil || o.key != "",
		told: o.passthru,
	}
	if o.disclose {
		p.tell(s.peer.Disclosed("publisher"))
	}
	p.trust(s.peer)
	if !o.retain {
		s.br.deliver(b, &p)
	} else if err := s.br.retain(b, &p, &o); err != nil {
		return err
	}
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
	from      *peer.Peer // nil for the router itself
	told      wamp.Dict  // what receivers are told of publisher and payload
	includeMe bool
	limited   bool // not for everybody: one of the following is given
	filter    *filter
	allow     func(*peer.Peer) bool
	key       string // resource key
	hops      int64  // bridges crossed

	kept *Record // made when needed
}

// tell adds to what receivers are told.
func (p *publication) tell(d wamp.Dict) {
	if p.told == nil {
		p.told = d
	} else {
		maps.Copy(p.told, d)
	}
}

// trust tells the level that the realm gives to what p publishes.
func (p *publication) trust(from *peer.Peer) {
	if from.Trust != 0 {
		p.tell(wamp.Dict{"trustlevel": from.Trust})
	}
}

// deliver queues an EVENT for each subscription that matches, and keeps the
// event in their histories.
func (br *Broker) deliver(b *peer.Batch, p *publication) {
	var room [8]*subscription
	matches := br.index.Match(room[:0], p.topic)
	if p.from == nil {
		matches = slices.DeleteFunc(matches, func(sub *subscription) bool { return !sub.reserved() })
	}
	if len(matches) == 0 {
		return
	}
	// All receivers are those of this moment: who moves from one subscription
	// to another meanwhile must not get the event twice.
	var places [8]pattern.View[subscriber]
	views := places[:0]
	for _, sub := range matches {
		views = append(views, sub.members.View())
		if h := sub.history.Load(); h != nil {
			br.record(h, p)
		}
	}
	f := peer.NewFrame(nil)
	defer f.Free()
	var crossing crossing
	var informing informing
	for i, sub := range matches {
		f.Event = wamp.Event{Subscription: sub.id, Publication: p.id, Topic: sub.untold(p.topic), Details: p.told, Payload: p.payload}
		f.Set(&f.Event)
		owner := sub.shards.owner(p.key)
		for h := range views[i].All {
			switch to := h.peer; {
			case to.Via != nil:
				if p.from != nil && to.Via != p.from.Via && to.Topics(p.topic) {
					crossing.send(b, p, h)
				}
			case to == p.from && !p.includeMe:
			case p.limited && !p.reaches(h, owner):
			case h.info != silent:
				informing.send(b, p, h)
			default:
				to.Send(b, f, peer.Droppable, &h.gate)
			}
		}
	}
	crossing.free()
	informing.free()
}

// reaches reports whether an event that is not for everybody is for h.
func (p *publication) reaches(h *subscriber, owner shard) bool {
	return (owner == 0 || h.shard == 0 || h.shard == owner) &&
		(p.filter == nil || p.filter.allows(h.peer)) &&
		(p.allow == nil || p.allow(h.peer))
}

// record is the event for those who keep it.
func (p *publication) record(c *clock) *Record {
	if p.kept != nil {
		return p.kept
	}
	p.kept = &Record{
		Position: Position{Stamp: c.next(), Publication: p.id},
		Topic:    p.topic, Details: p.told, Payload: p.payload.Clone(), filter: p.filter,
	}
	if p.filter != nil {
		p.kept.Lists = p.filter.lists
	}
	if p.from != nil && !p.includeMe {
		p.kept.Publisher = p.from.Session
	}
	return p.kept
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
			Subscription: h.sub.id, Publication: p.id, Topic: p.topic, Details: p.bridged(), Payload: p.payload,
		})
	}
	h.peer.Send(b, c.frame, peer.Droppable, &h.gate)
}

func (c *crossing) free() {
	if c.frame != nil {
		c.frame.Free()
	}
}
