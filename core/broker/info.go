package broker

import (
	"maps"

	"bondy/core/peer"
	"bondy/core/wamp"
)

// info says whether a subscriber is told of the publisher's session, and under
// which detail.
type info uint8

const (
	silent info = iota
	plain
	prefixed
)

// readInfo reads the option that asks to be told.
func readInfo(cfg *Config, d wamp.Dict) (info, error) {
	asked := silent
	for option, as := range map[string]info{peer.DiscloseSessionInfo: plain, peer.DiscloseSessionInfoX: prefixed} {
		switch on, err := d.Bool(option); {
		case err != nil:
			return silent, err
		case on:
			asked = max(asked, as)
		}
	}
	if asked != silent && cfg.NoDisclosure {
		return silent, wamp.Errorf(wamp.ErrDiscloseMeDisallowed, "this realm does not disclose publishers")
	}
	return asked, nil
}

// informing is a publication on its way to subscribers that are told of the
// publisher's session: those of one subscription share a frame.
type informing struct {
	sub    *subscription
	frames [prefixed + 1]*peer.Frame
}

func (i *informing) send(b *peer.Batch, p *publication, h *subscriber) {
	if i.sub != h.sub {
		i.free()
		i.sub = h.sub
	}
	f := &i.frames[h.info]
	if *f == nil {
		*f = peer.NewFrame(&wamp.Event{
			Subscription: h.sub.id, Publication: p.id, Topic: h.sub.untold(p.topic), Details: p.informed(h.info), Payload: p.payload,
		})
	}
	h.peer.Send(b, *f, peer.Droppable, &h.gate)
}

func (i *informing) free() {
	for k, f := range i.frames {
		if f != nil {
			f.Free()
			i.frames[k] = nil
		}
	}
}

// informed are the details of the EVENT for who is told of the publisher's
// session: of one behind a bridge what it disclosed, and of the router nothing.
func (p *publication) informed(as info) wamp.Dict {
	key := peer.SessionInfo
	if as == prefixed {
		key = peer.SessionInfoX
	}
	d := make(wamp.Dict, len(p.told)+1)
	maps.Copy(d, p.told)
	switch {
	case p.from == nil:
	case p.from.Via == nil:
		d[key] = p.from.Info(key)
	case p.told["publisher"] != nil:
		d[key] = map[string]any{
			"session": p.told["publisher"], "authid": p.told["publisher_authid"], "authrole": p.told["publisher_authrole"],
		}
	}
	return d
}
