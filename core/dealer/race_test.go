//go:build race

package dealer_test

const raceEnabled = true
