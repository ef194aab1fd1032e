//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package store

import (
	"os"
	"time"
)

// lock leaves it to bbolt, which locks the file when it has been verified.
func lock(*os.File, time.Duration) error { return nil }

// syncDir does nothing: a directory cannot be synced here.
func syncDir(string) error { return nil }

// initialMap is zero, because mapping may make the file as long as the map.
func initialMap(int64) int { return 0 }
