package realm

import (
	"errors"
	"time"

	"bondy/core/auth"
	"bondy/core/meta"
	"bondy/core/rate"
	"bondy/core/wamp"
)

// ErrFull is returned by Join when the realm has as many sessions as may be,
// ErrUserFull when their user has.
var (
	ErrFull     = errors.New("realm full")
	ErrUserFull = errors.New("user has too many sessions")
)

// Limits bound what sessions may do together; 0 is no bound. A store keeps them
// as they are.
type Limits struct {
	// MaxSessions is how many there may be, MaxUserSessions how many of one user,
	// those without connection included.
	MaxSessions     int `json:"max_sessions,omitempty"`
	MaxUserSessions int `json:"max_user_sessions,omitempty"`
	// MaxRate is how many messages a session may send in a second, MaxUserRate
	// how many all sessions of one user, MaxTotalRate how many all of the realm;
	// twice that at once.
	MaxRate      int `json:"max_rate,omitempty"`
	MaxUserRate  int `json:"max_user_rate,omitempty"`
	MaxTotalRate int `json:"max_total_rate,omitempty"`
}

// Rates are the bounds that a session shares with others; nil for those that
// were off when it joined.
type Rates struct{ User, Total *rate.Bucket }

// maxLingering bounds the users that are remembered although they have no
// session; the one that left first is forgotten first.
const maxLingering = 4096

// limiter counts what is bounded. It is guarded by Realm.mu.
type limiter struct {
	Limits

	total *rate.Bucket
	// users are those that have a session, and those that had one within
	// rate.Burst: coming back makes nobody faster. nil if no user has a bound.
	users     map[user]*account
	lingering []departure
}

// user is to whom sessions are counted: a user of a directory, or for logins
// that have none here, the authid with an empty realm. Anonymous clients are
// nobody.
type user struct {
	realm wamp.URI
	name  string
}

type account struct {
	sessions int
	bucket   *rate.Bucket
	left     time.Time // when the last session did
}

type departure struct {
	user
	at time.Time
}

func userOf(s *meta.Session) (user, bool) {
	switch {
	case s.Principal != nil:
		return user{s.Principal.AuthRealm, s.Principal.Name}, true
	case s.AuthMethod == auth.MethodAnonymous:
		return user{}, false
	default:
		return user{name: s.Peer.AuthID}, true
	}
}

// set changes the bounds of a realm that has these sessions.
func (l *limiter) set(limits Limits, sessions map[wamp.ID]*meta.Session) {
	l.Limits = limits
	l.total = adjust(l.total, limits.MaxTotalRate)
	for _, a := range l.users {
		a.bucket = adjust(a.bucket, limits.MaxUserRate)
	}
	switch bounded := limits.MaxUserSessions > 0 || limits.MaxUserRate > 0; {
	case !bounded:
		l.users, l.lingering = nil, nil
	case l.users == nil:
		l.users = make(map[user]*account)
		for _, s := range sessions {
			l.count(s)
		}
	}
}

// adjust gives a bucket another bound. Sessions keep theirs, so it stays.
func adjust(b *rate.Bucket, perSecond int) *rate.Bucket {
	if b == nil {
		return rate.New(perSecond)
	}
	b.Set(perSecond)
	return b
}

// enter counts one more session, or says which bound is against it.
func (l *limiter) enter(s *meta.Session, sessions int) (Rates, error) {
	if l.MaxSessions > 0 && sessions >= l.MaxSessions {
		return Rates{}, ErrFull
	}
	l.sweep()
	if u, counted := userOf(s); counted && l.MaxUserSessions > 0 {
		if a := l.users[u]; a != nil && a.sessions >= l.MaxUserSessions {
			return Rates{}, ErrUserFull
		}
	}
	r := Rates{User: l.count(s)}
	if l.MaxTotalRate > 0 {
		r.Total = l.total
	}
	return r, nil
}

// count enters a session into its user's account.
func (l *limiter) count(s *meta.Session) *rate.Bucket {
	u, counted := userOf(s)
	if !counted || l.users == nil {
		return nil
	}
	a := l.users[u]
	if a == nil {
		a = &account{bucket: rate.New(l.MaxUserRate)}
		l.users[u] = a
	}
	a.sessions++
	if l.MaxUserRate <= 0 {
		return nil
	}
	return a.bucket
}

// leave takes back what enter counted.
func (l *limiter) leave(s *meta.Session) {
	u, counted := userOf(s)
	a := l.users[u]
	if !counted || a == nil {
		return
	}
	if a.sessions--; a.sessions > 0 {
		return
	}
	if a.bucket == nil {
		delete(l.users, u)
		return
	}
	a.left = time.Now()
	l.lingering = append(l.lingering, departure{u, a.left})
	l.sweep()
}

// sweep forgets users who left long enough ago.
func (l *limiter) sweep() {
	for len(l.lingering) > 0 {
		d := l.lingering[0]
		if len(l.lingering) <= maxLingering && time.Since(d.at) < rate.Burst {
			return
		}
		l.lingering = l.lingering[1:]
		if a := l.users[d.user]; a != nil && a.sessions == 0 && a.left.Equal(d.at) {
			delete(l.users, d.user)
		}
	}
	l.lingering = nil
}
