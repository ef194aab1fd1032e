//go:build !race

package systest_test

const raceDetector = false
