package client

import (
	"context"
	"maps"

	"bondy/core/codec"
	"bondy/core/wamp"
)

// PublishOptions are the options of a publication; the zero value is usable.
type PublishOptions struct {
	// Acknowledge makes Publish wait until the router has accepted the event
	// and return its errors.
	Acknowledge bool
	// IncludeMe also delivers the event to this session if it subscribes.
	IncludeMe bool
	// DiscloseMe asks for the publisher's identity to be told to subscribers.
	DiscloseMe bool
	// Retain keeps the event for later subscribers.
	Retain bool
	// Options are further options of PUBLISH, such as eligible and exclude;
	// they win over the fields above.
	Options wamp.Dict
}

// Publish publishes an event. Without Acknowledge it returns 0 as soon as the
// message is queued, else the publication id once the router has answered.
func (s *Session) Publish(
	ctx context.Context, topic wamp.URI, args []any, kwargs map[string]any, opts PublishOptions,
) (wamp.ID, error) {
	payload, err := codec.NewPayload(s.cfg.Serializer, args, kwargs)
	if err != nil {
		return 0, err
	}
	options := wamp.Dict{}
	if opts.Acknowledge {
		options["acknowledge"] = true
	}
	if opts.IncludeMe {
		options["exclude_me"] = false
	}
	if opts.DiscloseMe {
		options["disclose_me"] = true
	}
	if opts.Retain {
		options["retain"] = true
	}
	maps.Copy(options, opts.Options)
	publish := func(id wamp.ID) wamp.Message {
		return &wamp.Publish{Request: id, Options: options, Topic: topic, Payload: payload}
	}
	if options["acknowledge"] != true {
		_, err := s.request(ctx, nil, publish)
		return 0, err
	}
	r, err := s.ask(ctx, nil, publish)
	return r.id, err
}
