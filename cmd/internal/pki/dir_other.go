//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package pki

// lockDir does nothing here: two commands that change one folder at the same
// time are the operator's to avoid.
func lockDir(string) (unlock func(), err error) { return func() {}, nil }

// syncDir does nothing: folders can't be synced here.
func syncDir(string) error { return nil }
