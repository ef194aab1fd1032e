package node

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
)

// dataDir makes the data directory, or warns that others than its owner can get at
// what is in it. (A node key that they can get at is refused.)
func (n *Node) dataDir() {
	n.try(func() error {
		dir := n.cfg.DataDir
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("data_dir: %w", err)
		}
		info, err := os.Stat(dir)
		if err != nil {
			return fmt.Errorf("data_dir: %w", err)
		}
		if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" { // where files have no modes
			n.log.Warn("others than its owner can list or change the data directory, which has users, keys and the audit log",
				slog.String("mode", fmt.Sprintf("%04o", mode)), slog.String("mend", "chmod 700 "+dir))
		}
		return nil
	})
}
