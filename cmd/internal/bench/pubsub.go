package bench

import (
	"cmp"
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"bondy/core/wamp"
	"bondy/transport/client"
)

// PubSub has publishers publish to one topic that all subscribers hear.
type PubSub struct {
	Publishers  int `json:"publishers"`
	Subscribers int `json:"subscribers"`
	// Window is how many publications, of all publishers, may be under way:
	// not received by everybody.
	Window int `json:"window"`
	// Size of each payload in bytes; a payload has at least the 22 bytes that
	// tell when it was published. Structured makes it of lists and dicts.
	Size       int  `json:"size"`
	Structured bool `json:"structured"`
	// Match is how the subscriptions match the topic: exact, prefix or wildcard.
	Match string `json:"match"`
	// Acknowledge asks the router to confirm each publication.
	Acknowledge bool `json:"acknowledge"`
	// Topic begins the URI of the topic.
	Topic wamp.URI `json:"topic"`
}

// Name implements Scenario.
func (PubSub) Name() string { return "pubsub" }

// Validate implements Scenario.
func (s PubSub) Validate() error {
	return cmp.Or(
		within("publishers", s.Publishers, 1, maxSessions/2), within("subscribers", s.Subscribers, 1, maxSessions/2),
		within("window", s.Window, 1, maxWindow), within("size", s.Size, 0, maxSize),
		underWay(s.Window, s.Size), oneOf("match", s.Match, "exact", "prefix", "wildcard"), prefix("topic", s.Topic),
	)
}

// String implements Scenario.
func (s PubSub) String() string {
	acknowledged := ""
	if s.Acknowledge {
		acknowledged = ", acknowledged"
	}
	return fmt.Sprintf("%s to %s (%s), %s under way, %s%s",
		many(s.Publishers, "publisher"), many(s.Subscribers, "subscriber"), s.Match,
		many(s.Window, "publication"), describeSize(s.Size, s.Structured), acknowledged)
}

func (s PubSub) run(ctx context.Context, r *runner) (*sample, error) {
	base := fresh(s.Topic)
	pattern := base + ".topic"
	match, _ := wamp.ParseMatch(s.Match) // validated
	switch match {
	case wamp.MatchPrefix:
		pattern = base
	case wamp.MatchWildcard:
		pattern = base + "."
	case wamp.MatchExact:
	}
	t := newTraffic()
	defer r.leave(ctx, t)
	err := r.events(ctx, t, s, base+".topic", s.Subscribers, func(ctx context.Context, _ int, sub *client.Session) error {
		_, err := sub.Subscribe(ctx, pattern, nil, client.SubscribeOptions{Match: match})
		return err
	})
	if err != nil {
		return nil, err
	}
	used := r.measure(ctx, t)
	values := []value{
		{"events", "1/s", used.perSecond()},
		{"publications", "1/s", used.perSecond() / float64(s.Subscribers)},
	}
	return &sample{
		values:  append(append(values, used.cpu(r.process > 0, "events")...), latency(&t.latency)...),
		latency: &t.latency, done: used.done,
	}, nil
}

// events sets up publishers to topic and the sessions that hear it, which setup
// has subscribe; receivers is by how many of them each event is heard.
func (r *runner) events(
	ctx context.Context, t *traffic, s PubSub, topic wamp.URI, receivers int,
	setup func(context.Context, int, *client.Session) error,
) error {
	opening, stop := r.opening(ctx)
	defer stop()
	content, err := newPayload(r.Client.Serializer, s.Size, s.Structured)
	if err != nil {
		return err
	}
	f := newFanout(t.meter, s, topic, receivers, content)
	if _, err = t.fleet.join(opening, r.Target, s.Subscribers, func(int) intercept { return f.hear }, setup); err != nil {
		return err
	}
	f.publishers, err = t.fleet.join(opening, r.Target, s.Publishers, func(int) intercept { return f.take }, nil)
	if err != nil {
		return err
	}
	t.pumps, t.stalled, t.missing = []*pump{&f.pump}, f.giveUp, f.missing
	return nil
}

// fanout is publications on their way to all receivers.
type fanout struct {
	meter      *meter
	publishers []*client.Session
	pump       pump
	content    *payload
	publish    wamp.Publish
	build      func(wamp.ID) wamp.Message
	receivers  int64
	acks       int64 // for each publication
	// credit counts what came of publications: receivers+acks complete one.
	credit  atomic.Int64
	refused atomic.Int64
}

func newFanout(m *meter, s PubSub, topic wamp.URI, receivers int, content *payload) *fanout {
	f := &fanout{meter: m, content: content, receivers: int64(receivers)}
	f.publish = wamp.Publish{Topic: topic, Payload: content.Payload}
	if s.Acknowledge {
		f.publish.Options, f.acks = wamp.Dict{"acknowledge": true}, 1
	}
	f.build = func(id wamp.ID) wamp.Message { // called under the pump's lock
		f.publish.Request = id
		return &f.publish
	}
	f.pump = pump{window: s.Window, clock: m.clock, begin: f.begin}
	return f
}

func (f *fanout) begin(k int64, due time.Duration) bool {
	f.content.setStamp(due)
	_, err := f.publishers[k%int64(len(f.publishers))].Post(f.build)
	return err == nil
}

// hear takes an event at a subscriber.
func (f *fanout) hear(_ *client.Session, m wamp.Message) bool {
	e, ok := m.(*wamp.Event)
	if !ok {
		return false
	}
	if due, ok := stampOf(e.Args); ok {
		f.meter.finish(due)
		f.earn(1)
	}
	return true
}

// take takes an answer at a publisher.
func (f *fanout) take(_ *client.Session, m wamp.Message) bool {
	switch m := m.(type) {
	case *wamp.Published:
		f.meter.acked.Add(1)
		f.earn(1)
		return true
	case *wamp.ErrorMessage:
		f.meter.refuse(refusal(m))
		f.refused.Add(1)
		f.earn(f.receivers + f.acks)
		return true
	default:
		return false
	}
}

func (f *fanout) earn(n int64) {
	need := f.receivers + f.acks
	now := f.credit.Add(n)
	if done := now/need - (now-n)/need; done > 0 {
		f.pump.done(int(done))
	}
}

// giveUp makes room for more when nothing comes of what is under way.
func (f *fanout) giveUp() {
	if n := f.pump.count()*(f.receivers+f.acks) - f.credit.Load(); n > 0 {
		f.earn(n)
	}
}

// missing is how many events and acknowledgements have not come.
func (f *fanout) missing() int64 {
	accepted := f.pump.count() - f.refused.Load()
	return max(accepted*(f.receivers+f.acks)-f.meter.done.Load()-f.meter.acked.Load(), 0)
}
