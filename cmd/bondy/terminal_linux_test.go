package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// openTerminal makes a terminal and returns the side of the command and that
// of who sits before it.
func openTerminal(t *testing.T) (command, person *os.File) {
	t.Helper()
	person, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { person.Close() })
	fd := int(person.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	command, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no terminals here: ", err)
	}
	t.Cleanup(func() { command.Close() })
	return command, person
}

// echoes reports whether the terminal shows what is typed.
func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		t.Error(err)
	}
	return err == nil && state.Lflag&unix.ECHO != 0
}

// TestPasswordIsAskedTwice: on a terminal a password is typed twice, and not
// seen.
func TestPasswordIsAskedTwice(t *testing.T) {
	s := newSocket(t)
	for typed, want := range map[string]string{
		"se cret\nse cret\n": "",
		"secret\nother\n":    "two different passwords",
		"\n\n":               "the password is empty",
	} {
		for _, line := range []string{"user passwd joe", "user add joe --password-stdin"} {
			command, person := openTerminal(t)
			if _, err := io.WriteString(person, typed); err != nil {
				t.Fatal(err)
			}
			o := s.run(t.Context(), command, nil, strings.Fields(line)...)
			switch {
			case want != "":
				if o.failure == nil || !strings.Contains(o.failure.Error(), want) || len(o.calls) > 0 {
					t.Errorf("%s with %q: %v, called %q", line, typed, o.failure, o.calls)
				}
			case o.failure != nil || len(o.calls) != 1 || !strings.Contains(o.calls[0], `"se cret"`):
				t.Errorf("%s with %q: %v, called %q", line, typed, o.failure, o.calls)
			}
			if o.err != "Password: \nAgain: \n" || strings.Contains(o.out+o.err, "secret") {
				t.Errorf("%s wrote %q, %q", line, o.err, o.out)
			}
			if !echoes(t, command) {
				t.Errorf("%s left the terminal without echo", line)
			}
		}
	}
}

// TestApplyAsks: on a terminal the plan is shown and done after yes alone.
func TestApplyAsks(t *testing.T) {
	s := newSocket(t)
	dir := folder(t, map[string]string{"a.json": `{"uri":"com.a"}`})
	for typed, calls := range map[string]int{"y\n": 2, "YES\n": 2, "\n": 1, "n\n": 1, "yesterday\n": 1} {
		command, person := openTerminal(t)
		if _, err := io.WriteString(person, typed); err != nil {
			t.Fatal(err)
		}
		o := s.run(t.Context(), command, []string{planned, strings.ReplaceAll(planned, "false", "true")}, "realm", "apply", dir)
		if len(o.calls) != calls || !strings.Contains(o.calls[0], "bondy.realm.plan") || o.err != planTable+"Apply this? [y/N] " {
			t.Errorf("%q: called %q, asked %q", typed, o.calls, o.err)
		}
		if yes := calls == 2; yes != (o.failure == nil) || yes != (o.out == "applied\n") {
			t.Errorf("%q: %v, printed %q", typed, o.failure, o.out)
		}
	}
	command, _ := openTerminal(t)
	o := s.run(t.Context(), command, []string{`{"args":[{"changes":[]}]}`}, "realm", "apply", dir)
	if o.failure != nil || len(o.calls) != 1 || o.out != "nothing to change\n" {
		t.Errorf("without changes: %v, called %q, printed %q", o.failure, o.calls, o.out)
	}
}

// TestInterruptedQuestion: an interrupt ends a question, and the terminal
// shows again what is typed.
func TestInterruptedQuestion(t *testing.T) {
	s := newSocket(t)
	command, person := openTerminal(t)
	ctx, stop := context.WithCancelCause(t.Context())
	asked, answer := io.Pipe()
	go func() {
		if _, err := bufio.NewReader(asked).ReadString(' '); err == nil {
			for echoes(t, command) { // until the question waits for its answer
				runtime.Gosched()
			}
			stop(errors.New("interrupted"))
		}
		_, _ = io.Copy(io.Discard, asked)
	}()
	var out bytes.Buffer
	cmd := userCommand()
	cmd.SilenceErrors, cmd.SilenceUsage = true, true
	cmd.SetIn(command)
	cmd.SetOut(&out)
	cmd.SetErr(answer)
	cmd.SetArgs([]string{"passwd", "joe", "--socket", s.path})
	err := cmd.ExecuteContext(ctx)
	if err == nil || err.Error() != "interrupted" || len(s.calls) > 0 || !echoes(t, command) {
		t.Errorf("the question ended with %v, called %q, the terminal echoes: %v", err, s.calls, echoes(t, command))
	}
	_, _ = io.WriteString(person, "\n") // ends the read that was left behind
	answer.Close()
}
