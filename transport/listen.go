package transport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"time"
)

// dialTimeout bounds the look whether somebody answers on a unix socket.
const dialTimeout = time.Second

// listen binds cfg.Address.
func listen(ctx context.Context, cfg Config) (net.Listener, error) {
	var lc net.ListenConfig
	path, unix := strings.CutPrefix(cfg.Address, "unix:")
	if !unix {
		ln, err := lc.Listen(ctx, "tcp", cfg.Address)
		if err != nil {
			return nil, fmt.Errorf("listener %s: %w", cfg.Address, err)
		}
		return ln, nil
	}
	if err := removeStale(ctx, path); err != nil {
		return nil, fmt.Errorf("listener %s: %w", cfg.Address, err)
	}
	lc.Control = socketMode(cfg.SocketMode)
	ln, err := lc.Listen(ctx, "unix", path)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", cfg.Address, err)
	}
	if err := os.Chmod(path, cfg.SocketMode); err != nil {
		_ = ln.Close() // the first error says more
		return nil, fmt.Errorf("listener %s: %w", cfg.Address, err)
	}
	if cfg.SocketMode&0o077 == 0 {
		return ownerOnly{ln}, nil
	}
	return ln, nil
}

// ownerOnly accepts connections of the user who runs the process, and of root,
// alone: whoever got at a socket that only its owner may open.
type ownerOnly struct{ net.Listener }

func (l ownerOnly) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || ours(c) {
			return c, err
		}
		_ = c.Close() // there is nothing to tell a stranger
	}
}

// removeStale removes the socket that a process which is gone has left.
func removeStale(ctx context.Context, path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSocket == 0:
		return errors.New("file exists and is no socket")
	}
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "unix", path)
	if err == nil {
		_ = c.Close() // it was only a question
		return errors.New("another process is listening")
	}
	if !refused(err) {
		return fmt.Errorf("can't tell whether another process is listening: %w", err)
	}
	return os.Remove(path)
}
