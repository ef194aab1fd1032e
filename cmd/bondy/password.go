package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"
)

// password is where a command gets a password from, which never is the command
// line: that is there for all users of the machine to see.
type password struct {
	stdin, generate bool
	file            string
}

// flags adds those of a password, with the names that are given.
func (p *password) flags(f *pflag.FlagSet, stdin, file, generate string) {
	f.BoolVar(&p.stdin, stdin, false, "read the password from standard input; a terminal is asked twice")
	f.StringVar(&p.file, file, "", "read the password from `FILE`")
	f.BoolVar(&p.generate, generate, false, "draw a password and print it, this once")
}

// given reports whether a flag says where the password is.
func (p *password) given() bool { return p.stdin || p.generate || p.file != "" }

// read gets the password; one that was drawn is also for the query to show.
func (p *password) read(cmd *cobra.Command, q *query) (string, error) {
	in := cmd.InOrStdin()
	switch {
	case p.stdin && p.generate || p.file != "" && (p.stdin || p.generate):
		return "", usage(errors.New("the password can come from one place only"))
	case p.generate:
		q.secret = rand.Text()
		return q.secret, nil
	case p.file != "":
		f, err := os.Open(p.file)
		if err != nil {
			return "", err
		}
		defer func() { _ = f.Close() }() // was only read
		return onlyLine(f)
	case terminal(in):
		return twice(cmd)
	default:
		return onlyLine(in)
	}
}

// maxPassword bounds a password in bytes.
const maxPassword = 4096

// onlyLine is the password that is all of r, but for the end of its line.
func onlyLine(r io.Reader) (string, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxPassword+3))
	if err != nil {
		return "", err
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
	switch {
	case text == "":
		err = errors.New("the password is empty")
	case len(text) > maxPassword:
		err = fmt.Errorf("the password has more than %d bytes", maxPassword)
	case strings.ContainsAny(text, "\r\n"):
		err = errors.New("the password has more than one line")
	case !utf8.ValidString(text):
		err = errors.New("the password is not UTF-8")
	}
	return text, err
}

// terminal reports whether v is one.
func terminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// twice asks on the terminal for a new password, without echo.
func twice(cmd *cobra.Command) (string, error) {
	fd := int(cmd.InOrStdin().(*os.File).Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return "", err
	}
	defer func() { _ = term.Restore(fd, before) }() // an interrupted question leaves it without echo
	var typed [2]string
	for i, question := range []string{"Password: ", "Again: "} {
		typed[i], err = answered(cmd, question, func() (string, error) {
			b, err := term.ReadPassword(fd)
			return string(b), err
		})
		_, _ = fmt.Fprintln(cmd.ErrOrStderr()) // the end of the line had no echo
		if err != nil {
			return "", err
		}
	}
	if typed[0] != typed[1] {
		return "", errors.New("these are two different passwords")
	}
	return onlyLine(strings.NewReader(typed[0]))
}

// confirm asks on the terminal; anything but yes is an error.
func confirm(cmd *cobra.Command, question string) error {
	text, err := answered(cmd, question+" [y/N] ", func() (string, error) {
		return bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
	})
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "y", "yes":
		return nil
	default:
		return errors.New("nothing was changed")
	}
}

// answered asks a question and reads the answer, unless the command is
// interrupted first. Nothing ends a read from a terminal, so it is left behind
// for the end of the process, which follows.
func answered(cmd *cobra.Command, question string, ask func() (string, error)) (string, error) {
	if _, err := io.WriteString(cmd.ErrOrStderr(), question); err != nil {
		return "", err
	}
	type line struct {
		text string
		err  error
	}
	lines := make(chan line, 1) // so that who is left behind can end
	go func() {
		text, err := ask()
		lines <- line{text, err}
	}()
	select {
	case l := <-lines:
		return l.text, l.err
	case <-cmd.Context().Done():
		return "", context.Cause(cmd.Context())
	}
}
