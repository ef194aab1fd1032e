package pki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bondy/cmd/internal/pki"
)

// trust loads ca.crt of dir.
func trust(t testing.TB, dir string) *pki.Trust {
	t.Helper()
	tr, err := pki.LoadTrust(pki.TrustConfig{CA: filepath.Join(dir, "ca.crt")})
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

// chain is the certificate of name.
func chain(t testing.TB, dir, name string) []*x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(read(t, filepath.Join(dir, name+".crt")))
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return []*x509.Certificate{cert}
}

func TestVerify(t *testing.T) {
	a, dir := authority(t)
	other, otherDir := authority(t)
	node := issue(t, a, pki.Request{Name: "core-1"})
	issue(t, a, pki.Request{Name: "edge-1", Role: pki.RoleEdge, Algorithm: pki.P256})
	issue(t, a, pki.Request{Name: "stolen", Role: pki.RoleEdge})
	issue(t, other, pki.Request{Name: "stranger"})
	if _, err := a.Revoke("stolen", ""); err != nil {
		t.Fatal(err)
	}
	tr, now := trust(t, dir), time.Now()
	for _, c := range []struct {
		dir, name string
		want      pki.Role
		at        time.Time
		err       error
	}{
		{dir, "core-1", pki.RoleNode, now, nil},
		{dir, "edge-1", pki.RoleEdge, now, nil},
		{dir, "edge-1", pki.RoleNode, now, pki.ErrRole},
		{dir, "core-1", pki.RoleEdge, now, pki.ErrRole},
		{dir, "core-1", "", now, pki.ErrRole},
		{dir, "stolen", pki.RoleEdge, now, pki.ErrRevoked},
		{dir, "stolen", pki.RoleNode, now, pki.ErrRevoked},
		{dir, "edge-1", pki.RoleEdge, now.AddDate(0, 0, 31), pki.ErrExpired},
		{dir, "core-1", pki.RoleNode, now.AddDate(0, 0, 31), nil},
		{dir, "core-1", pki.RoleNode, time.Unix(0, 0), pki.ErrExpired},
		{otherDir, "stranger", pki.RoleNode, now, pki.ErrUnknownCA},
		{dir, "ca", pki.RoleNode, now, pki.ErrInvalid},
	} {
		id, err := tr.Verify(chain(t, c.dir, c.name), c.want, c.at)
		if !errors.Is(err, c.err) {
			t.Errorf("Verify(%s as %q at %s) = %v, want %v", c.name, c.want, c.at, err, c.err)
		}
		if err == nil && (id.Name != c.name || id.Role != c.want) {
			t.Errorf("Verify(%s) = %+v", c.name, id)
		}
	}
	if _, err := tr.Verify(nil, pki.RoleNode, now); !errors.Is(err, pki.ErrInvalid) {
		t.Errorf("Verify of nothing = %v", err)
	}
	if id, _ := tr.Verify(chain(t, dir, "core-1"), pki.RoleNode, now); id != node.Identity {
		t.Errorf("Verify = %+v, want %+v", id, node.Identity)
	}
}

func TestFloor(t *testing.T) {
	a, dir := authority(t)
	issue(t, a, pki.Request{Name: "a"})
	for floor, want := range map[time.Time]error{
		time.Now():                  nil,
		time.Now().AddDate(2, 0, 0): pki.ErrExpired,
		{}:                          pki.ErrExpired,
	} {
		tr, err := pki.LoadTrust(pki.TrustConfig{CA: filepath.Join(dir, "ca.crt"), Floor: floor})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Verify(chain(t, dir, "a"), pki.RoleNode, time.Unix(1000, 0)); !errors.Is(err, want) {
			t.Errorf("with an unset clock and the floor %s: %v, want %v", floor, err, want)
		}
	}
}

func TestFollowsTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, dir := authority(t)
		issue(t, a, pki.Request{Name: "a"})
		issue(t, a, pki.Request{Name: "b"})
		crl := filepath.Join(dir, "revoked.crl")
		var log bytes.Buffer
		tr, err := pki.LoadTrust(pki.TrustConfig{
			CA: filepath.Join(dir, "ca.crt"), Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		if err != nil {
			t.Fatal(err)
		}
		check := func(when string, wantA, wantB error) {
			t.Helper()
			for name, want := range map[string]error{"a": wantA, "b": wantB} {
				if _, err := tr.Verify(chain(t, dir, name), pki.RoleNode, time.Now()); !errors.Is(err, want) {
					t.Errorf("%s: %s is %v, want %v", when, name, err, want)
				}
			}
		}
		later := func() { time.Sleep(1500 * time.Millisecond) } // virtual

		check("without a list", nil, nil)
		if _, err := a.Revoke("a", ""); err != nil {
			t.Fatal(err)
		}
		later()
		check("with a", pki.ErrRevoked, nil)
		good := read(t, crl)
		for _, bad := range [][]byte{nil, []byte("nonsense"), good[:len(good)/2], otherList(t)} {
			write(t, crl, bad)
			later()
			check("with a bad list", pki.ErrRevoked, nil)
			if err := tr.Reload(); err == nil || !strings.Contains(err.Error(), crl) {
				t.Errorf("Reload = %v, want an error that names the file", err)
			}
		}
		os.Remove(crl)
		for range 5 {
			later()
			check("without the list that was there", pki.ErrRevoked, nil)
		}
		if n := strings.Count(log.String(), "no such file"); n != 1 {
			t.Errorf("logged %d times that the list is gone, want once:\n%s", n, &log)
		}
		write(t, crl, good)
		if _, err := a.Revoke("b", ""); err != nil {
			t.Fatal(err)
		}
		if err := tr.Reload(); err != nil {
			t.Error(err)
		}
		check("with both", pki.ErrRevoked, pki.ErrRevoked)
		made := time.Now()
		time.Sleep(20 * 365 * 24 * time.Hour) // nobody made a new list
		if err := tr.Reload(); err != nil {
			t.Error(err)
		}
		if _, err := tr.Verify(chain(t, dir, "a"), pki.RoleNode, made); !errors.Is(err, pki.ErrRevoked) {
			t.Errorf("with a stale list: %v", err)
		}
	})
}

// otherList is the list of another authority.
func otherList(t *testing.T) []byte {
	t.Helper()
	a, dir := authority(t)
	issue(t, a, pki.Request{Name: "x"})
	if _, err := a.Revoke("x", ""); err != nil {
		t.Fatal(err)
	}
	return read(t, filepath.Join(dir, "revoked.crl"))
}

func TestSeveralAuthorities(t *testing.T) {
	a, dirA := authority(t)
	b, dirB := authority(t)
	both := t.TempDir()
	for _, x := range []struct {
		*pki.Authority
		dir, name string
	}{{a, dirA, "a"}, {b, dirB, "b"}} {
		issue(t, x.Authority, pki.Request{Name: x.name})
		issue(t, x.Authority, pki.Request{Name: x.name + "-stolen"})
		if _, err := x.Revoke(x.name+"-stolen", ""); err != nil {
			t.Fatal(err)
		}
	}
	for _, file := range []string{"ca.crt", "revoked.crl"} {
		write(t, filepath.Join(both, file), append(read(t, filepath.Join(dirA, file)), read(t, filepath.Join(dirB, file))...))
	}
	tr := trust(t, both)
	for dir, name := range map[string]string{dirA: "a", dirB: "b"} {
		if _, err := tr.Verify(chain(t, dir, name), pki.RoleNode, time.Now()); err != nil {
			t.Error(err)
		}
		if _, err := tr.Verify(chain(t, dir, name+"-stolen"), pki.RoleNode, time.Now()); !errors.Is(err, pki.ErrRevoked) {
			t.Errorf("%s-stolen: %v", name, err)
		}
	}
}

// A list revokes what its own authority signed, and nothing of another one that has
// the same name and used the same serial number. It may be in DER.
func TestSerialNumbersAreTheAuthoritys(t *testing.T) {
	a, dirA := authority(t)
	b, dirB := authority(t)
	issue(t, a, pki.Request{Name: "a"})
	issue(t, b, pki.Request{Name: "b"})
	both := t.TempDir()
	ca, crl := filepath.Join(both, "ca.crt"), filepath.Join(both, "revoked.crl")
	write(t, ca, append(read(t, filepath.Join(dirA, "ca.crt")), read(t, filepath.Join(dirB, "ca.crt"))...))
	signed, foreign := chain(t, dirA, "a"), chain(t, dirB, "b")
	if _, err := b.Revoke("elsewhere", signed[0].SerialNumber.Text(16)); err != nil {
		t.Fatal(err)
	}
	check := func(what string, revoked bool) {
		t.Helper()
		r, err := pki.LoadRevocations(ca, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Check(signed); errors.Is(err, pki.ErrRevoked) != revoked {
			t.Errorf("%s: %v, want revoked %v", what, err, revoked)
		}
		if err := r.Check(foreign); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := trust(t, both).Verify(signed, pki.RoleNode, time.Now()); errors.Is(err, pki.ErrRevoked) != revoked {
			t.Errorf("%s: %v, want revoked %v", what, err, revoked)
		}
	}
	listB := read(t, filepath.Join(dirB, "revoked.crl"))
	write(t, crl, listB)
	check("of another authority", false)
	if _, err := a.Revoke("a", ""); err != nil {
		t.Fatal(err)
	}
	listA := read(t, filepath.Join(dirA, "revoked.crl"))
	write(t, crl, append(listB, listA...))
	check("of both", true)
	block, _ := pem.Decode(listA)
	write(t, crl, block.Bytes)
	check("in DER", true)
}

func TestTrustFailsClosedAtStart(t *testing.T) {
	_, dir := authority(t)
	ca := filepath.Join(dir, "ca.crt")
	bad := filepath.Join(t.TempDir(), "bad")
	write(t, bad, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	missing := filepath.Join(dir, "missing")
	for _, c := range []struct {
		cfg  pki.TrustConfig
		want string
	}{
		{pki.TrustConfig{CA: missing}, missing},
		{pki.TrustConfig{CA: bad}, bad},
		{pki.TrustConfig{CA: filepath.Join(dir, "ca.key")}, "PRIVATE KEY"},
		{pki.TrustConfig{CA: ca, CRL: missing}, missing},
		{pki.TrustConfig{CA: ca, CRL: bad}, bad},
		{pki.TrustConfig{CA: ca, CRL: ca}, "X509 CRL"},
	} {
		if _, err := pki.LoadTrust(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("LoadTrust(%+v) = %v, want an error with %q", c.cfg, err, c.want)
		}
	}
}
