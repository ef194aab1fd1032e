package bridge_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"bondy/core/audit"
	"bondy/core/audit/audittest"
	"bondy/core/auth"
	"bondy/core/coretest"
	"bondy/core/pattern"
	"bondy/core/realm"
	"bondy/core/wamp"
	"bondy/uplink/bridge"
)

// trail is an audit log in memory.
type trail struct{ audittest.Trail }

// kinds wants what was recorded to be of these kinds, all by the edge where it is.
func (tr *trail) kinds(t *testing.T, want ...audit.Kind) []audit.Event {
	t.Helper()
	events := tr.Take()
	var got []audit.Kind
	for _, e := range events {
		got = append(got, e.Kind)
		if e.Remote.String() != "192.0.2.7:18092" || !strings.Contains(e.Object+e.Reason, "edge") {
			t.Errorf("of whom is %+v", e)
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Fatalf("recorded %+v, want %v", events, want)
	}
	return events
}

func watched(t *testing.T, edge bridge.Realm) (*trail, *cable, func([]realm.Config)) {
	t.Helper()
	atCore := coretest.Router(t, coreRealm())
	tr := &trail{}
	both := shared(atCore)
	both.Audit = tr
	e, err := bridge.NewEdge("cloud", []bridge.Realm{edge}, shared(coretest.Router(t)))
	if err != nil {
		t.Fatal(err)
	}
	link := &cable{edge: e, core: bridge.NewCore(both), name: "gateway"}
	link.plug()
	settle(t, link)
	return tr, link, func(cfg []realm.Config) {
		if err := atCore.Apply(cfg); err != nil {
			t.Error(err)
		}
	}
}

// TestUplinksAreRecorded follows an uplink from its login to its end, and to the next.
func TestUplinksAreRecorded(t *testing.T) {
	tr, link, _ := watched(t, bridge.Realm{URI: "realm1", AuthID: "gateway-1", Key: key(1), Rules: everything()})
	in := tr.kinds(t, audit.Login)[0]
	if in.Outcome != audit.OK || in.Realm != "realm1" || in.AuthID != "gateway-1" || in.AuthMethod != auth.MethodCryptosign ||
		in.Session == 0 || in.Object != "edge gateway" {
		t.Errorf("%+v", in)
	}
	link.unplug()
	out := tr.kinds(t, audit.Logout)[0]
	if out.AuthID != "gateway-1" || out.Session != in.Session || out.Reason != "the link is down" {
		t.Errorf("%+v", out)
	}
	link.plug()
	settle(t, link)
	if again := tr.kinds(t, audit.Login)[0]; again.Session == in.Session {
		t.Errorf("%+v", again)
	}
	link.unplug()
}

// TestUplinkDenialsAreRecorded has an edge offer what it has no grant for.
func TestUplinkDenialsAreRecorded(t *testing.T) {
	rules := everything()
	rules.Topics = append(rules.Topics, bridge.Rule{Pattern: pattern.Pattern{Match: wamp.MatchExact, URI: "org.x"}, Direction: bridge.Both})
	atCore := coretest.Router(t, coreRealm())
	tr := &trail{}
	both := shared(atCore)
	both.Audit = tr
	atEdge, link := connect(t, atCore, bridge.NewCore(both), rules)
	coretest.Join(t, atEdge).Subscribe("org.x", nil)
	settle(t, link)
	denied := tr.kinds(t, audit.Login, audit.Denial)[1]
	if denied.Outcome != audit.Refused || denied.AuthID != "gateway-1" || denied.Session == 0 || denied.Action != "wamp.subscribe" || denied.Object != "org.x" {
		t.Errorf("%+v", denied)
	}
}

// TestRefusedUplinksAreRecorded wants who claims to be whom, and why not.
func TestRefusedUplinksAreRecorded(t *testing.T) {
	for name, r := range map[string]bridge.Realm{
		"unknown realm": {URI: "nowhere", AuthID: "gateway-1", Key: key(1)},
		"wrong key":     {URI: "realm1", AuthID: "gateway-1", Key: key(2)},
		"unknown user":  {URI: "realm1", AuthID: "gateway-2", Key: key(1)},
	} {
		t.Run(name, func(t *testing.T) {
			tr, link, _ := watched(t, r)
			link.unplug()
			e := tr.kinds(t, audit.Refusal)[0]
			if e.Outcome != audit.Refused || e.Realm != r.URI || e.Session != 0 || e.Action == "" || e.Reason == "" || e.Object != "edge gateway" {
				t.Errorf("%+v", e)
			}
			if r.URI == "realm1" && (e.AuthID != r.AuthID || e.AuthMethod != auth.MethodCryptosign) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// TestUplinkThatMayNotStayIsRecorded takes the user of an uplink away.
func TestUplinkThatMayNotStayIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, link, apply := watched(t, bridge.Realm{URI: "realm1", AuthID: "gateway-1", Key: key(1), Rules: everything()})
		tr.kinds(t, audit.Login)
		cfg := coreRealm()
		cfg.Auth.Users = nil
		apply([]realm.Config{cfg})
		synctest.Wait()
		if out := tr.Take()[0]; out.Kind != audit.Logout || out.AuthID != "gateway-1" || out.Reason == "" {
			t.Errorf("%+v", out)
		}
		link.unplug()
	})
}
