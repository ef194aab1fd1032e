package bench

import "time"

// StampOf is stampOf.
func StampOf(args []byte) (time.Duration, bool) { return stampOf(args) }
