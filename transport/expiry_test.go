package transport_test

import (
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/meta"
	"bondy/core/session"
	"bondy/core/wamp"
	"bondy/transport"
)

// brief are tickets that hold for a second.
type brief struct{}

func (brief) Revoke(wamp.URI, string) (bool, error) { return true, nil }

func (brief) Is(text string) bool { return strings.HasPrefix(text, "brief") }

func (brief) Verify(wamp.URI, auth.User, string) (auth.Ticket, error) {
	return auth.Ticket{ID: "1", Expires: time.Now().Add(time.Second)}, nil
}

// A session that sleeps has no goroutine: others end it.
func TestSleepingSessionIsEnded(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("sessions stay awake on this system")
	}
	cfg := coretest.Realm("realm1")
	cfg.Auth.Methods = []string{auth.MethodTicket}
	cfg.Auth.Users = []auth.User{{Name: "joe", Password: "s3cret"}}
	cfg.Auth.Tickets = brief{}
	r := coretest.Router(t, cfg)
	for name, tc := range map[string]struct {
		ticket string
		reason wamp.URI
	}{"expired": {"brief", session.CloseExpired}, "dismissed": {"s3cret", wamp.CloseKilled}} {
		t.Run(name, func(t *testing.T) {
			l, _ := start(t, transport.Config{HibernateAfter: 20 * time.Millisecond}, r.Serve)
			c, _ := raw(t, l)
			details := coretest.Roles()
			details["authid"], details["authmethods"] = "joe", []any{auth.MethodTicket}
			c.Write(framed(t, &wamp.Hello{Realm: "realm1", Details: details}))
			receive(t, c)
			c.Write(framed(t, &wamp.Authenticate{Signature: tc.ticket}))
			if _, ok := receive(t, c).(*wamp.Welcome); !ok {
				t.Fatal("no WELCOME")
			}
			eventually(t, "it sleeps", func() bool { return l.Stats().Hibernating == 1 })
			if name == "dismissed" {
				home, err := r.Realm("realm1")
				if err != nil {
					t.Fatal(err)
				}
				home.Dismiss(func(*meta.Session) *wamp.Error { return wamp.Errorf(tc.reason, "out") })
			}
			if m, ok := receive(t, c).(*wamp.Goodbye); !ok || m.Reason != tc.reason {
				t.Errorf("got %+v, want GOODBYE %s", m, tc.reason)
			}
			if n, err := io.Copy(io.Discard, c); n > 0 || err != nil {
				t.Errorf("%d bytes after GOODBYE, %v", n, err)
			}
			c.Close()
			eventually(t, "it is gone", func() bool { return l.Stats().Sessions == 0 && r.Stats().Sessions == 0 })
		})
	}
}
