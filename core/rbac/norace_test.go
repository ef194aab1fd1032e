//go:build !race

package rbac_test

// raced says that the race detector is on, under which pools forget.
const raced = false
