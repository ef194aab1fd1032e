package node

import (
	"bytes"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bondy/cmd/internal/config"
)

// A start makes the data directory for its owner alone, and says of one that others
// can get at how that is mended.
func TestDataDirIsForItsOwner(t *testing.T) {
	for mode, warned := range map[fs.FileMode]bool{0: false, 0o700: false, 0o500: false, 0o750: true, 0o701: true, 0o720: true, 0o777: true} {
		dir := filepath.Join(t.TempDir(), "data")
		if mode != 0 {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, mode); err != nil {
				t.Fatal(err)
			}
		}
		var log bytes.Buffer
		n := newNode(config.Config{DataDir: dir}, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if n.dataDir(); n.err != nil {
			t.Fatal(n.err)
		}
		info, err := os.Stat(dir)
		if err != nil || mode == 0 && info.Mode().Perm() != 0o700 {
			t.Errorf("made with %v, %v", info.Mode(), err)
		}
		if got := strings.Contains(log.String(), "level=WARN") && strings.Contains(log.String(), "chmod 700 "+dir); got != warned {
			t.Errorf("mode %04o: %q", mode, log.String())
		}
	}
}
