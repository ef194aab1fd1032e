package core_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/core"
	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/realm"
	"bondy/core/session"
	"bondy/core/wamp"
)

// vouchers are signed tickets whose text says how long they hold.
type vouchers struct{}

func (vouchers) Is(text string) bool { return strings.HasPrefix(text, "voucher ") }

func (vouchers) Verify(_ wamp.URI, u auth.User, text string) (auth.Ticket, error) {
	life, err := time.ParseDuration(strings.TrimPrefix(text, "voucher "))
	if err != nil || u.Name == "" {
		return auth.Ticket{}, errors.New("no voucher")
	}
	return auth.Ticket{ID: "17", Expires: time.Now().Add(life)}, nil
}

func (vouchers) Revoke(wamp.URI, string) (bool, error) { return true, nil }

func voucherRealm(places int) realm.Config {
	cfg := coretest.Lasting("realm1", places)
	cfg.Auth.Methods = []string{auth.MethodAnonymous, auth.MethodTicket}
	cfg.Auth.Users = []auth.User{{Name: "joe", Password: "s3cret", Groups: []string{"user"}}, {Name: "ann", Password: "s3cret"}}
	cfg.Auth.Tickets = vouchers{}
	return cfg
}

// redeem starts to join as a user with a ticket; the answer is not read.
func redeem(t *testing.T, r *core.Router, authid, ticket string, details wamp.Dict) *coretest.Client {
	t.Helper()
	c := coretest.Connect(t, r, wamp.MessagePack, 0)
	details["authid"], details["authmethods"] = authid, []any{auth.MethodTicket}
	c.Send(&wamp.Hello{Realm: "realm1", Details: details})
	coretest.Expect[*wamp.Challenge](c)
	c.Send(&wamp.Authenticate{Signature: ticket})
	return c
}

// alive demands that c is answered.
func alive(t *testing.T, c *coretest.Client) {
	t.Helper()
	c.Send(&wamp.Unsubscribe{Request: c.Next(), Subscription: 1})
	c.ExpectError(wamp.ErrNoSuchSubscription)
}

func TestSessionEndsWithItsIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t, voucherRealm(1000))
		forever := redeem(t, r, "joe", "s3cret", coretest.Roles())
		coretest.Expect[*wamp.Welcome](forever)
		short := redeem(t, r, "joe", "voucher 5s", coretest.Roles())
		coretest.Expect[*wamp.Welcome](short)
		long := redeem(t, r, "joe", "voucher 72h", coretest.Roles())
		coretest.Expect[*wamp.Welcome](long)
		time.Sleep(5*time.Second - 1)
		alive(t, short)
		time.Sleep(time.Nanosecond)
		gone(t, short, session.CloseExpired)
		time.Sleep(72*time.Hour - 5*time.Second - time.Minute)
		synctest.Wait()
		long.Nothing()
		time.Sleep(time.Minute)
		gone(t, long, session.CloseExpired)
		forever.Nothing()
	})
}

func TestDetachedSessionEndsWithItsIdentity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t, voucherRealm(1000))
		join := func(ticket string, details wamp.Dict) (*coretest.Client, *wamp.Welcome) {
			t.Helper()
			c := redeem(t, r, "joe", ticket, details)
			return c, coretest.Expect[*wamp.Welcome](c)
		}
		again := func(w *wamp.Welcome) wamp.Dict {
			return coretest.Resumable(wamp.Dict{"resume-session": w.Session, "resume-token": w.Details["resume_token"]})
		}
		c, w := join("voucher 20s", coretest.Resumable(nil))
		c.Drop()
		time.Sleep(19 * time.Second)
		c, w = join("voucher 40s", again(w)) // to whom the client came back in time goes on as long as its new ticket
		if w.Details["resumed"] != true {
			t.Fatalf("%v", w.Details)
		}
		time.Sleep(39 * time.Second)
		alive(t, c)
		c.Drop()
		time.Sleep(time.Second)
		synctest.Wait()
		if s := r.Stats(); s.Sessions != 0 || s.Detached != 0 {
			t.Errorf("%d sessions, %d detached", s.Sessions, s.Detached)
		}
		if _, w = join("voucher 1h", again(w)); w.Details["resumed"] != false {
			t.Errorf("%v", w.Details)
		}
	})
}

// The end of an identity does not touch the session that follows on its connection.
func TestExpiryIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := coretest.Router(t, voucherRealm(1000))
		c := redeem(t, r, "joe", "voucher 1m", coretest.Roles())
		coretest.Expect[*wamp.Welcome](c)
		c.Send(&wamp.Goodbye{Reason: wamp.CloseNormal})
		coretest.Expect[*wamp.Goodbye](c)
		c.Hello("realm1", coretest.Roles()) // another session on the same connection
		time.Sleep(time.Hour)
		synctest.Wait()
		c.Nothing()
	})
}
