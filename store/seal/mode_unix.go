//go:build unix

package seal

import (
	"fmt"
	"os"
)

// private checks that nobody but its owner may read a file.
func private(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("read the node key: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("the node key %s can be read by others (mode %04o): chmod 600 it", path, mode)
	}
	return nil
}
