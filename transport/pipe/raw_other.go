//go:build !linux && !darwin && !openbsd

package pipe

// rawIO says that this system has no calls that do not block: reading holds a
// buffer, writing is left to the goroutine, and connections stay awake.
const rawIO = false

func (s *socket) readOnce(uintptr) bool { return true }

func readable(uintptr) bool { return true }

func (s *socket) writeOnce(uintptr) bool { return true }

func (s *socket) dup() (int, bool) { return 0, false }

func (s *socket) shutdown() bool { return false }

func writeFD(int, [][]byte) (int, error) { return 0, nil }
