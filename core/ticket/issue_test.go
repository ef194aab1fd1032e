package ticket_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"bondy/core/id"
	"bondy/core/ticket"
	"bondy/core/wamp"
)

// W17: a scope is the same after a way through JSON, in a ticket and as a result,
// and needs the permission of its kind.
func TestScopes(t *testing.T) {
	w := newWorld(t)
	app := w.issue(t, w.request(one, "app"))
	for _, tc := range []struct {
		options ticket.Options
		want    ticket.Scope
		kind    ticket.Kind
	}{
		{ticket.Options{Local: true}, ticket.Scope{Realm: one}, ticket.Local},
		{ticket.Options{}, ticket.Scope{}, ticket.SSO},
		{ticket.Options{Local: true, ClientID: "app", DeviceID: "d"}, ticket.Scope{Realm: one, ClientID: "app", DeviceID: "d"}, ticket.ClientLocal},
		{ticket.Options{ClientTicket: app.Ticket}, ticket.Scope{ClientID: "app"}, ticket.ClientSSO},
		{ticket.Options{DeviceID: "d"}, ticket.Scope{DeviceID: "d"}, ticket.SSO},
	} {
		req := w.request(one, "ann")
		req.Options = tc.options
		var asked []wamp.URI
		req.Allowed = func(u wamp.URI) bool { asked = append(asked, u); return true }
		i := w.issue(t, req)
		text, err := json.Marshal(i.Scope)
		if err != nil {
			t.Fatal(err)
		}
		var again ticket.Scope
		if err := json.Unmarshal(text, &again); err != nil || again != tc.want || i.Scope != tc.want || i.Scope.Kind() != tc.kind {
			t.Errorf("%+v: %+v (%s), after %s %+v, %v", tc.options, i.Scope, i.Scope.Kind(), text, again, err)
		}
		if want := "bondy.ticket.scope." + wamp.URI(tc.kind); !slices.Equal(asked, []wamp.URI{want}) {
			t.Errorf("%+v: asked for %v, want %s", tc.options, asked, want)
		}
		issuer := "ann"
		if tc.options.ClientTicket != "" {
			issuer = "app"
		}
		r, err := w.Check(one, w.users[one], i.Ticket)
		if err != nil || r.Scope != tc.want || r.Name != "ann" || r.IssuedBy != issuer {
			t.Errorf("%+v: checked as %+v, %v", tc.options, r, err)
		}
		req.Allowed = func(u wamp.URI) bool { return u != tc.kind.Resource() }
		if _, err := w.Issue(req); uri(err) != wamp.ErrNotAuthorized || !strings.Contains(err.Error(), string(tc.kind.Resource())) {
			t.Errorf("%+v without a permission: %v", tc.options, err)
		}
	}
	for _, text := range []string{
		`{}`, `null`, `[]`, `{"realm":null,"client_id":null}`, `{"realm":"","client_id":null,"device_id":null}`,
		`{"realm":"all","client_id":7,"device_id":null}`, `{"Realm":null,"client_id":null,"device_id":null}`,
		`{"realm":null,"client_id":null,"device_id":null,"more":1}`,
	} {
		var s ticket.Scope
		if err := json.Unmarshal([]byte(text), &s); err == nil && text != "null" {
			t.Errorf("%s was read as %+v", text, s)
		}
	}
}

func TestResult(t *testing.T) {
	w := newWorld(t)
	req := w.request(one, "ann")
	req.Options.DeviceID = "d"
	i := w.issue(t, req)
	d := i.Dict()
	scope, _ := d["scope"].(map[string]any)
	if len(d) != 5 || d["ticket"] != i.Ticket || d["id"] != i.ID || d["issued_at"] != i.IssuedAt.Unix() ||
		d["expires_at"] != i.ExpiresAt.Unix() || len(scope) != 3 || scope["realm"] != nil || scope["client_id"] != nil || scope["device_id"] != "d" {
		t.Errorf("%v", d)
	}
	var header, claims map[string]any
	for n, to := range []*map[string]any{&header, &claims} {
		b, err := base64.RawURLEncoding.DecodeString(strings.Split(i.Ticket, ".")[n])
		if err != nil || json.Unmarshal(b, to) != nil {
			t.Fatalf("%s: %v", b, err)
		}
	}
	if header["alg"] != "ES256" || header["typ"] != "bondy-ticket+jwt" || header["kid"] == "" || len(header) != 3 {
		t.Errorf("header %v", header)
	}
	if claims["iss"] != string(sso) || claims["sub"] != "ann" || claims["jti"] != i.ID || claims["inc"] != id.Incarnation(1).String() ||
		claims["authmethod"] != "wampcra" || claims["issued_by"] != "ann" || claims["exp"] != float64(i.ExpiresAt.Unix()) {
		t.Errorf("claims %v", claims)
	}
}

func TestClientTickets(t *testing.T) {
	w := newWorld(t)
	app := w.issue(t, w.request(one, "app"))
	nested := w.request(one, "joe")
	nested.Options.ClientTicket = app.Ticket
	forDevice := w.request(one, "app")
	forDevice.Options.DeviceID = "d"
	device := w.issue(t, forDevice)
	own := w.issue(t, w.request(one, "ann"))
	for what, tc := range map[string]struct {
		o    ticket.Options
		want wamp.URI
	}{
		"nested":          {ticket.Options{ClientTicket: w.issue(t, nested).Ticket}, ticket.ErrInvalidRequest},
		"her own":         {ticket.Options{ClientTicket: own.Ticket}, ticket.ErrInvalidRequest},
		"herself":         {ticket.Options{ClientID: "ann"}, ticket.ErrInvalidRequest},
		"two clients":     {ticket.Options{ClientTicket: app.Ticket, ClientID: "joe"}, ticket.ErrInvalidRequest},
		"two devices":     {ticket.Options{ClientTicket: device.Ticket, DeviceID: "e"}, ticket.ErrInvalidRequest},
		"the same device": {ticket.Options{ClientTicket: device.Ticket, DeviceID: "d"}, ""},
		"its device":      {ticket.Options{ClientTicket: device.Ticket}, ""},
		"the same client": {ticket.Options{ClientTicket: app.Ticket, ClientID: "app"}, ""},
		"garbage":         {ticket.Options{ClientTicket: "a.b.c"}, ticket.ErrInvalidValue},
		"another realm's": {ticket.Options{ClientTicket: w.issue(t, w.request(three, "joe")).Ticket}, ticket.ErrInvalidValue},
	} {
		req := w.request(one, "ann")
		req.Options = tc.o
		i, err := w.Issue(req)
		if uri(err) != tc.want || (i != nil) != (tc.want == "") {
			t.Errorf("%s: %v", what, err)
		}
		if i != nil && (i.Scope.ClientID != "app" || what != "the same client" && i.Scope.DeviceID != "d") {
			t.Errorf("%s: %+v", what, i.Scope)
		}
	}
	gone := user(one, "app", 1)
	gone.Disabled = true
	w.set(t, one, user(sso, "ann", 1), gone)
	req := w.request(one, "ann")
	req.Options.ClientTicket = app.Ticket
	if _, err := w.Issue(req); uri(err) != ticket.ErrInvalidValue {
		t.Errorf("of a client that is disabled: %v", err)
	}
}

// Tickets go to sessions that proved who they are by something else.
func TestWhoGetsTickets(t *testing.T) {
	w := newWorld(t)
	for method, want := range map[string]bool{
		"anonymous": false, "jwt": false, "ticket": true, "password": true, "wampcra": true, "wamp-scram": true,
		"cryptosign": true, "tls": true, "trust": true, "oauth2": false, "": false,
	} {
		req := w.request(three, "ann")
		req.AuthMethod = method
		if _, err := w.Issue(req); (err == nil) != want || err != nil && uri(err) != wamp.ErrNotAuthorized {
			t.Errorf("by %s: %v", method, err)
		}
		req.Policy.Methods = []string{"cryptosign"}
		if _, err := w.Issue(req); (err == nil) != (method == "cryptosign") {
			t.Errorf("by %s where cryptosign is wanted: %v", method, err)
		}
	}
	req := w.request(three, "ann")
	req.AuthMethod, req.Holder.Ticket = "ticket", "some id"
	if _, err := w.Issue(req); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("by a ticket: %v", err)
	}
	req.Holder = nil
	if _, err := w.Issue(req); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("by nobody: %v", err)
	}
	disabled := user(three, "ann", 1)
	disabled.Disabled = true
	w.set(t, three, disabled)
	if _, err := w.Issue(w.request(three, "ann")); uri(err) != wamp.ErrNotAuthorized {
		t.Errorf("by a disabled user: %v", err)
	}
}

func TestPolicy(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct{ most, asked, want time.Duration }{
		{0, 0, ticket.MaxLifetime},
		{0, time.Hour, time.Hour},
		{time.Hour, 0, time.Hour},
		{time.Hour, 2 * time.Hour, time.Hour},
		{time.Hour, time.Minute, time.Minute},
		{0, 100 * ticket.MaxLifetime, ticket.MaxLifetime},
	} {
		req := w.request(three, "ann")
		req.Policy.MaxLifetime, req.Options.Lifetime = tc.most, tc.asked
		i := w.issue(t, req)
		if got := i.ExpiresAt.Sub(i.IssuedAt); got > tc.want || got < tc.want-time.Second {
			t.Errorf("%+v: lasts %s", tc, got)
		}
	}
	for want, p := range map[string]ticket.Policy{
		"":             {MaxLifetime: time.Hour, Methods: []string{"tls", "password"}, MaxPerUser: 7},
		"max_lifetime": {MaxLifetime: ticket.MaxLifetime + 1},
		"methods[1]":   {Methods: []string{"password", "ticket"}},
		"methods[0]":   {Methods: []string{"anonymous"}},
		"max_per_user": {MaxPerUser: -1},
	} {
		if err := p.Validate(); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
}

func TestOptions(t *testing.T) {
	o, err := ticket.ParseOptions(wamp.Dict{
		"expiry_time_secs": int64(60), "allow_sso": false, "client_ticket": "t", "client_id": "c", "device_id": "d",
	})
	if want := (ticket.Options{Lifetime: time.Minute, Local: true, ClientTicket: "t", ClientID: "c", DeviceID: "d"}); err != nil || o != want {
		t.Errorf("%+v, %v", o, err)
	}
	if o, err := ticket.ParseOptions(wamp.Dict{"allow_sso": nil, "expiry_time_secs": nil, "device_id": nil}); err != nil || o != (ticket.Options{}) {
		t.Errorf("%+v, %v", o, err)
	}
	for _, d := range []wamp.Dict{
		{"expiry_time_secs": int64(0)},
		{"expiry_time_secs": "60"},
		{"expiry_time_secs": int64(-1)},
		{"allow_sso": "no"},
		{"client_id": ""},
		{"client_id": strings.Repeat("x", 255)},
		{"device_id": int64(7)},
		{"client_ticket": []byte("x")},
		{"clientid": "x"},
	} {
		if o, err := ticket.ParseOptions(d); uri(err) == "" {
			t.Errorf("%v: %+v, %v", d, o, err)
		}
	}
	if o, err := ticket.ParseOptions(wamp.Dict{"expiry_time_secs": int64(1) << 62}); err != nil || o.Lifetime != ticket.MaxLifetime {
		t.Errorf("%+v, %v", o, err)
	}
}
