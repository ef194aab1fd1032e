package transport_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"

	"bondy/core/session"
	"bondy/transport"
)

// A listener serves each connection with a handler; here it sends messages
// back to a RawSocket client.
func Example() {
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	l, err := transport.New(ctx, transport.Config{
		Address:  "127.0.0.1:0",
		Services: []string{transport.ServiceRawSocket},
	}, func(ctx context.Context, c session.Conn, done func(session.Conn)) {
		defer done(c)
		defer context.AfterFunc(ctx, c.Close)()
		for {
			msg, err := c.ReadMessage()
			if err != nil || c.Append(bytes.Clone(msg), nil) != nil {
				return
			}
		}
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() { done <- l.Run(ctx) }()

	client, err := net.Dial("tcp", l.ListenAddr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	io.WriteString(client, "\x7f\xf1\x00\x00"+"\x00\x00\x00\x05hello")
	reply := make([]byte, 13)
	io.ReadFull(client, reply)
	fmt.Printf("%q %s\n", reply[:4], reply[8:])
	client.Close()

	stop()
	fmt.Println(<-done)
	// Output:
	// "\x7f\xf1\x00\x00" hello
	// <nil>
}
