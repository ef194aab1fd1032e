package broker

import (
	"sync/atomic"
	"time"

	"bondy/core/pattern"
	"bondy/core/peer"
	"bondy/core/wamp"
)

// subscription is one topic or pattern. It exists in the index exactly as long
// as it has members or a history.
type subscription struct {
	id      wamp.ID
	pattern pattern.Pattern
	created time.Time
	members pattern.Set[subscriber]
	history atomic.Pointer[history]
	shards  shards

	// Guarded by Broker.mu:
	holders  peer.Holders
	sessions int // members that are sessions of this node
}

// untold is the topic of an event if the subscription leaves it open, and the
// EVENT has to tell it.
func (sub *subscription) untold(topic wamp.URI) wamp.URI {
	if sub.pattern.Match == wamp.MatchExact {
		return ""
	}
	return topic
}

// subscriber is one session's hold on a subscription.
type subscriber struct {
	session *Session
	peer    *peer.Peer
	sub     *subscription
	gate    peer.Gate
	info    info
	shard   shard
}

type member = pattern.Member[subscriber]

// add makes s a member; its gate is still shut, so that no event precedes
// SUBSCRIBED.
func (br *Broker) add(b *peer.Batch, id wamp.ID, p pattern.Pattern, s *Session, o *subscribeOptions) (*member, error) {
	br.mu.Lock()
	defer br.mu.Unlock()
	sub, err := br.holdLocked(b, id, p, s.peer.Via)
	if err != nil {
		return nil, err
	}
	sub.shards.addLocked(o.shard)
	h := sub.members.Add(subscriber{session: s, peer: s.peer, sub: sub, info: o.info, shard: o.shard})
	if s.peer.Via != nil {
		return h, nil
	}
	sub.sessions++
	if e := br.cfg.Load().Events; e != nil {
		if sub.sessions == 1 {
			e.Created(s.peer.Session, sub.describe())
		}
		e.Subscribed(s.peer.Session, id)
	}
	return h, nil
}

// remove takes a member out.
func (br *Broker) remove(b *peer.Batch, h *member) {
	br.mu.Lock()
	defer br.mu.Unlock()
	sub, p := h.Value.sub, h.Value.peer
	sub.members.Remove(h)
	sub.shards.removeLocked(h.Value.shard)
	if p.Via == nil {
		sub.sessions--
		if e := br.cfg.Load().Events; e != nil {
			e.Unsubscribed(p.Session, sub.id)
			if sub.sessions == 0 {
				e.Deleted(p.Session, sub.id)
			}
		}
	}
	br.releaseLocked(b, sub, p.Via)
}

// holdLocked finds or makes the subscription of p for one more holder, which is
// nil for a session or a history of this node.
func (br *Broker) holdLocked(b *peer.Batch, id wamp.ID, p pattern.Pattern, via *peer.Bridge) (sub *subscription, err error) {
	br.index.Update(p.Match, p.URI, func(old *subscription, ok bool) (*subscription, bool) {
		sub = old
		if !ok {
			if other, taken := br.byID[id]; taken {
				err = wamp.Errorf(wamp.ErrUnavailable, "the id of this topic is taken by %s %q", other.pattern.Match, other.pattern.URI)
				return nil, false
			}
			sub = &subscription{id: id, pattern: p, created: time.Now()}
			br.byID[id] = sub
		}
		return sub, true
	})
	if err != nil {
		return nil, err
	}
	br.notifyLocked(b, sub, sub.holders.Add(via))
	return sub, nil
}

// releaseLocked ends what holdLocked began.
func (br *Broker) releaseLocked(b *peer.Batch, sub *subscription, via *peer.Bridge) {
	if sub.members.Len() == 0 && sub.history.Load() == nil {
		br.index.Update(sub.pattern.Match, sub.pattern.URI, func(*subscription, bool) (*subscription, bool) {
			delete(br.byID, sub.id)
			return nil, false
		})
	}
	br.notifyLocked(b, sub, sub.holders.Remove(via))
}
