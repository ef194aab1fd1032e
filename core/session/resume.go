package session

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"log/slog"
	"slices"
	"time"

	"bondy/core/auth"
	"bondy/core/meta"
	"bondy/core/peer"
	"bondy/core/realm"
	"bondy/core/wamp"
)

// Session resumption, as the clients name it: HELLO.Details.resumable asks that
// the session outlives its connection; WELCOME answers with resumable and
// resume_token. HELLO.Details.resume-session and resume-token, which may be
// written with underscores, ask to go on with that session, and WELCOME answers
// with resumed.
//
// A session that lost its connection without GOODBYE or ABORT stays for the
// realm's resume_timeout with all that it holds, and what is sent to it waits
// in its queue, behind what the kernel had not taken. It belongs to no goroutine
// then; its door leads nowhere.

// wish is what HELLO says of resumption.
type wish struct {
	asked, resumable bool
	session          wamp.ID
	token            string
}

func readWish(d wamp.Dict) (w wish, err error) {
	if w.resumable, err = d.Bool("resumable"); err != nil {
		return w, err
	}
	w.asked = w.resumable
	for _, key := range [...]string{"resume-session", "resume_session"} {
		if d[key] == nil {
			continue
		}
		w.asked = true
		switch n := d[key].(type) {
		case int64:
			w.session = wamp.ID(max(n, 0)) // 0 is nobody's
		case float64: // encoders of JavaScript write large integers so
			w.session = wamp.ID(max(n, 0))
		default:
			return w, wamp.Violationf("%q must be a session id, got %s", key, wamp.TypeName(n))
		}
	}
	for _, key := range [...]string{"resume-token", "resume_token"} {
		if d[key] != nil {
			if w.token, err = d.String(key); err != nil {
				return w, err
			}
		}
	}
	return w, nil
}

// answer tells a new session what became of the wish.
func (w *wish) answer(details wamp.Dict, a *afterlife) {
	details["resumable"], details["resumed"] = a != nil, false
	if a != nil {
		details["resume_token"] = a.newToken()
	}
}

// afterlife is how a session may go on over another connection. Its methods take
// nil for a session that may not. It is guarded by Session.mu.
type afterlife struct {
	timeout time.Duration
	who     *auth.Identity
	holder  realm.Holder      // who answers for the session while it has no connection
	token   [sha256.Size]byte // hash of the one that the client has
	timer   *time.Timer       // ends the session; nil while it has a connection
	wanted  chan struct{}     // closed when the connection has let the session go
}

// newToken draws the token that the client needs next, and keeps its hash.
func (a *afterlife) newToken() string {
	token := rand.Text() + rand.Text() // 260 bits
	a.token = sha256.Sum256([]byte(token))
	return token
}

// over ends a session without connection, and reports false if it has one.
func (a *afterlife) over() bool {
	if a == nil || a.timer == nil {
		return false
	}
	a.timer.Reset(0)
	return true
}

// letGo tells who waits for the session that its connection is gone.
func (a *afterlife) letGo() {
	if a != nil && a.wanted != nil {
		close(a.wanted)
		a.wanted = nil
	}
}

// End implements meta.Conn: it ends the session, or the connection by which it does.
func (s *Session) End() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.after.over() {
		s.conn.Close()
	}
}

// detach lets the session stay behind when err ended its connection, if that is
// not how a session ends. It reports false if the session has to leave.
func (s *Session) detach(err error) bool {
	_, broken := errors.AsType[*wamp.Error](err)
	if s.after == nil || err == nil || broken || errors.Is(err, errLeft) || !s.peer.Detach() {
		return false
	}
	s.bequeath(meta.Detached)
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.after
	if s.leaving.Load() {
		return false
	}
	a.holder = holder(a.who, s.conn)
	if !s.realm.Detach(a.holder, a.wanted == nil) {
		s.cfg.Counters.DetachRefused.Add(1)
		s.cfg.Log.Debug("session not detached: the realm, or its client, has too many that are", slog.Any("", s))
		return false
	}
	s.cfg.Detached.Add(1)
	s.door = &door{cfg: s.cfg, conn: s.conn}
	a.timer = time.AfterFunc(a.timeout, s.expire)
	a.letGo()
	s.cfg.Log.Debug("session detached", slog.Any("", s), slog.Any("err", err))
	return true
}

func holder(who *auth.Identity, c Conn) realm.Holder {
	if who.AuthMethod == auth.MethodAnonymous {
		return realm.Holder{Site: auth.Site(c.Info().Remote.Addr())}
	}
	return realm.Holder{AuthID: who.AuthID}
}

// expire ends a session to which nobody came back.
func (s *Session) expire() {
	if !s.forsake() {
		return
	}
	s.ready()
	s.leave()
	s.flush()
	s.giveBack()
	s.realm.Attach(s.after.holder)
	s.cfg.Detached.Done()
}

// forsake reports whether the session still has no connection; then nobody can
// come back to it any more.
func (s *Session) forsake() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.after.timer == nil {
		return false
	}
	s.after.timer = nil
	s.leaving.Store(true)
	return true
}

// resume finds the session that the client wants to go on with and gives it
// this connection, which s has opened. It returns nil for any reason why that
// cannot be: the client learns no more than that.
func (s *Session) resume(w wish, who *auth.Identity, features peer.Features, deadline time.Time) *Session {
	if w.session == 0 {
		return nil
	}
	m := s.realm.Session(w.session)
	if m == nil {
		return nil
	}
	old, ok := m.Conn.(*Session)
	if !ok || old.after == nil {
		return nil
	}
	gone, ok := old.claim(w.token, who, features, s.conn.Serializer())
	if !ok {
		return nil
	}
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-gone:
	case <-timer.C:
	}
	if !old.attach(s.door, who) {
		return nil
	}
	s.peer.Close()
	s.cfg.Counters.Resumed.Add(1)
	s.cfg.Log.Debug("session resumed", slog.Any("", old))
	return old
}

// claim checks who wants to go on with the session and makes its connection let
// it go, if it has one. The channel is closed when that is done. A token is
// good for one claim.
func (s *Session) claim(token string, who *auth.Identity, features peer.Features, as wamp.Serializer) (<-chan struct{}, bool) {
	hash := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.after
	switch {
	case subtle.ConstantTimeCompare(hash[:], a.token[:]) == 0, !same(a.who, who),
		features != s.peer.Features, as != s.peer.Serializer(), s.leaving.Load(),
		!s.peer.Detach(): // before the connection takes more
		return nil, false
	}
	a.token = [sha256.Size]byte{}
	gone := make(chan struct{})
	if a.timer != nil {
		close(gone)
	} else {
		a.wanted = gone
		s.conn.Close()
	}
	return gone, true
}

// same reports whether two logins made the same identity, for which the same may
// end it. Anonymous clients have another authid each time.
func same(a, b *auth.Identity) bool {
	return a.AuthMethod == b.AuthMethod && a.AuthProvider == b.AuthProvider && a.AuthRole == b.AuthRole && slices.Equal(a.Roles, b.Roles) &&
		slices.Equal(a.Groups, b.Groups) && slices.Equal(a.Narrow, b.Narrow) && samePrincipal(a.Principal, b.Principal) &&
		(a.AuthID == b.AuthID || a.AuthMethod == auth.MethodAnonymous)
}

func samePrincipal(a, b *auth.Principal) bool {
	return a == b || a != nil && b != nil && *a == *b
}

// attach gives the session a connection: WELCOME, with what the login of who
// tells the client, and what waited are queued. It reports false if the session
// has ended meanwhile.
func (s *Session) attach(d *door, who *auth.Identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.after
	if a.timer == nil || s.leaving.Load() {
		return false
	}
	me := *a.who
	me.Extra = who.Extra
	m := s.greeting(&me)
	m.Details["resumable"], m.Details["resumed"], m.Details["resume_token"] = true, true, a.newToken()
	f := peer.NewFrame(m)
	defer f.Free()
	if !s.peer.Attach(d.batch, d.conn, f) {
		return false
	}
	a.timer.Stop()
	a.timer = nil
	s.expiresLocked(who.Expires)
	s.door, s.anew = d, true
	s.realm.Attach(a.holder)
	s.cfg.Detached.Done()
	return true
}
