package systest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"time"
)

const (
	awaitLimit = time.Minute // for what takes milliseconds on an idle machine
	stopLimit  = time.Minute
)

// process is a program that runs beside the test.
type process struct {
	stdout, stderr output
	cmd            *exec.Cmd
	ended          chan struct{} // closed once it has ended
	err            error         // why it failed; to be read after ended
}

// start runs cmd, whose outputs must not be set.
func start(cmd *exec.Cmd) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &p.stdout, &p.stderr
	cmd.WaitDelay = time.Second // its children may keep the outputs open
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.err = cmd.Wait()
	}()
	return p, nil
}

// await returns once one of the outputs matches, and an error if that cannot
// be any more or takes too long.
func (p *process) await(re *regexp.Regexp) error {
	late := time.NewTimer(awaitLimit)
	defer late.Stop()
	for {
		out, outGrows := p.stdout.read()
		err, errGrows := p.stderr.read()
		if re.MatchString(out) || re.MatchString(err) {
			return nil
		}
		select {
		case <-outGrows:
		case <-errGrows:
		case <-p.ended:
			out, _ = p.stdout.read()
			err, _ = p.stderr.read()
			if re.MatchString(out) || re.MatchString(err) {
				return nil
			}
			return fmt.Errorf("%s, and no match of %q:\n%s%s", p.cmd.ProcessState, re, out, err)
		case <-late.C:
			return fmt.Errorf("no match of %q within %s:\n%s%s", re, awaitLimit, out, err)
		}
	}
}

// stop sends the signal and waits for the end, whose exit status must be 0.
func (p *process) stop(sig os.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil {
		return fmt.Errorf("send %s: %w", sig, err)
	}
	late := time.NewTimer(stopLimit)
	defer late.Stop()
	select {
	case <-p.ended:
		return p.err
	case <-late.C:
		p.kill()
		return fmt.Errorf("still there %s after %s", stopLimit, sig)
	}
}

// kill ends it at once; it may have ended before.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// output collects what a process writes. It is safe for concurrent use.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	grows chan struct{} // closed by the next Write; nil while nobody waits
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grows != nil {
		close(o.grows)
		o.grows = nil
	}
	return o.buf.Write(b)
}

// read returns all there is, and a channel that is closed when there is more.
func (o *output) read() (text string, grows <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.grows == nil {
		o.grows = make(chan struct{})
	}
	return o.buf.String(), o.grows
}

func (o *output) String() string {
	text, _ := o.read()
	return text
}
