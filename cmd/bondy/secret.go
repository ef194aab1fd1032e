package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"golang.org/x/term"
)

// adminSecret delivers the secret of a new node's administrator: to a file with
// mode 0600 if one is named, else to the terminal, and without one to a file in
// the data directory.
type adminSecret struct {
	file, data string
	stderr     io.Writer
	log        *slog.Logger
}

func (s *adminSecret) deliver(user, secret string) error {
	f, terminal := s.stderr.(*os.File)
	if s.file == "" && terminal && term.IsTerminal(int(f.Fd())) {
		_, err := fmt.Fprintf(f, `
The administrator of this node, shown this once:

  realm     bondy
  user      %s
  password  %s

`, user, secret)
		return err
	}
	path := s.file
	if path == "" {
		path = filepath.Join(s.data, "admin-secret")
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) { // of a start that failed
			return err
		}
	}
	if err := writeSecret(path, secret); err != nil {
		return err
	}
	s.log.Info("the password of the administrator is in a file: delete it when you have it", slog.String("user", user), slog.String("file", path))
	return nil
}

// writeSecret makes a file that only the user can read, where there is none.
func writeSecret(path, secret string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator's path
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already, perhaps of a first start that was cut short: remove it, or name another file", path)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(secret + "\n")
	return errors.Join(err, f.Sync(), f.Close())
}
