package uplink_test

import (
	"bytes"
	"errors"
	"net"
	"os"
	"testing"
	"time"

	"bondy/uplink"
	"bondy/uplink/wire"
)

// Probes by strangers are echoed, never longer than they came, and only so
// many a second; everything else is not answered at all.
func TestStrangeProbes(t *testing.T) {
	const rate = 5
	ca := newAuthority(t)
	listener, _ := listen(t, uplink.ListenerConfig{Config: config(ca.config(t, "core"), newRecorder()), ProbeRate: rate})
	edge := newRecorder()
	dial(t, uplink.DialerConfig{Config: config(ca.config(t, "edge"), edge)}, listener)
	edge.up(t) // the listener reads its socket
	socket, err := net.Dial("udp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	key, err := wire.NewProbeKey(bytes.Repeat([]byte{7}, wire.ProbeKeySize))
	if err != nil {
		t.Fatal(err)
	}
	answer, request := key.Probe(wire.ProbeAnswer, 1), key.Probe(wire.ProbeRequest, 1)
	for _, junk := range [][]byte{{1}, answer[:], request[:20], append(request[:], 0), make([]byte, 33)} {
		if _, err := socket.Write(junk); err != nil {
			t.Fatal(err)
		}
	}
	for nonce := range uint64(4 * rate) {
		request := key.Probe(wire.ProbeRequest, nonce)
		if _, err := socket.Write(request[:]); err != nil {
			t.Fatal(err)
		}
	}
	answers, buf := 0, make([]byte, 100)
	for {
		if err := socket.SetReadDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		n, err := socket.Read(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if p, err := wire.ParseProbe(buf[:n]); err != nil || !key.Answers(p) {
			t.Errorf("answer %x: %v", buf[:n], err)
		}
		answers++
	}
	if answers == 0 || answers > 2*rate {
		t.Errorf("%d answers to %d probes, want %d", answers, 4*rate, rate)
	}
	if s := listener.Stats(); s.ProbesUnknown != uint64(answers) || s.ProbesAnswered != 0 {
		t.Errorf("stats = %+v, %d answers", s, answers)
	}
}
