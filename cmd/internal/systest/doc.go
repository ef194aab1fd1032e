// Package systest tests whole nodes from outside: the binary with its command
// line, signals, files and sockets. The tests are scripts under
// testdata/script, run with Go alone, and with the build tag e2e checks with
// the clients of scripts/e2e, which need node and their packages from npm.
//
// The binary is built from the sources, with the race detector if the tests
// have it, or taken from the environment's BONDY_BIN.
package systest
