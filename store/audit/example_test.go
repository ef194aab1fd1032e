package audit_test

import (
	"context"
	"fmt"
	"os"

	"bondy/core/audit"
	store "bondy/store/audit"
)

func Example() {
	dir, err := os.MkdirTemp("", "audit")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	l, err := store.Open(dir, store.Config{})
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	l.Record(audit.Event{Kind: audit.Administration, Action: "bondy.user.add", Changes: []string{"user joe created"}})
	if err := l.Flush(ctx); err != nil { // it is on disk
		panic(err)
	}
	stop()
	<-ended
	if err := l.Close(); err != nil {
		panic(err)
	}
	files := store.NewFiles(dir)
	report, err := files.Verify("")
	fmt.Println(report.Administration.Last, err)
	err = files.Tail(context.Background(), store.Query{Last: 1, Kind: audit.Administration}, func(r *audit.Record, _ error) error {
		fmt.Println(r.Seq, r.Action, r.Changes)
		return nil
	})
	fmt.Println(err)
	// Output:
	// 2 <nil>
	// 2 bondy.user.add [user joe created]
	// <nil>
}
