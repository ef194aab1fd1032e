package pki_test

import (
	"fmt"
	"os"
	"path/filepath"

	"bondy/cmd/internal/pki"
)

// An operator issues a certificate, and a core makes the configuration of the
// listener that edges dial.
func Example() {
	dir, err := os.MkdirTemp("", "pki")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)

	authority, err := pki.Init(dir, pki.Ed25519, 0)
	if err != nil {
		panic(err)
	}
	if _, err := authority.Issue(pki.Request{Name: "core-1", Addresses: []string{"192.0.2.1"}}); err != nil {
		panic(err)
	}

	trust, err := pki.LoadTrust(pki.TrustConfig{CA: filepath.Join(dir, "ca.crt")})
	if err != nil {
		panic(err)
	}
	pair, err := trust.LoadPair(filepath.Join(dir, "core-1.crt"), filepath.Join(dir, "core-1.key"), pki.RoleNode)
	if err != nil {
		panic(err)
	}
	listen := trust.ServerConfig(pair, pki.RoleEdge, "example/1")
	fmt.Println(pair.Identity().Name, pair.Identity().Role, listen.NextProtos)
	// Output: core-1 node [example/1]
}
