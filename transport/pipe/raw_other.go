//go:build !linux && !darwin && !openbsd

package pipe

// rawIO says that this system has no calls that do not block: reading holds a
// buffer and writing is left to the goroutine.
const rawIO = false

func (p *Pipe) readOnce(uintptr) bool { return true }

func (p *Pipe) writeOnce(uintptr) bool { return true }

type rawWriter = blockingWriter
