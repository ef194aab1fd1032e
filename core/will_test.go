package core_test

import (
	"testing"
	"testing/synctest"

	"bondy/core/coretest"
	"bondy/core/wamp"
)

// A session that is ended because it has no right to be there publishes nothing
// any more, neither of what it has bequeathed when it lost its connection nor at its
// end; one that leaves by itself does.
func TestDismissedSessionHasNoLastWill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t, coretest.Lasting("realm1", 1000))
		w := coretest.Join(t, r)
		w.Subscribe("com.will", wamp.Dict{"match": "prefix"})
		join := func(scope string) *coretest.Client {
			c := coretest.JoinWith(t, r, wamp.MessagePack, coretest.Resumable(nil))
			for _, s := range []string{"detached", "destroyed"} {
				if scope == "" || s == scope {
					id := c.Next()
					c.Send(&wamp.Call{Request: id, Procedure: "wamp.session.add_testament", Payload: c.Args("com.will."+wamp.URI(s), []any{}, map[string]any{})})
					coretest.Expect[*wamp.Result](c)
				}
			}
			return c
		}
		attached, detached, leaves := join(""), join("destroyed"), join("")
		detached.Drop()
		synctest.Wait()
		dismiss(t, r, "bondy.user.disabled", "the user was disabled", attached, detached)
		gone(t, attached, "bondy.user.disabled")
		synctest.Wait()
		w.Nothing()
		leaves.Send(&wamp.Goodbye{Reason: wamp.CloseRealm})
		coretest.Expect[*wamp.Goodbye](leaves)
		for _, topic := range []string{"com.will.detached", "com.will.destroyed"} {
			if m := coretest.Expect[*wamp.Event](w); m.Details["topic"] != topic {
				t.Errorf("%v, want %s", m.Details, topic)
			}
		}
	})
}
