package auth_test

import (
	"context"
	"fmt"

	"bondy/core/auth"
)

func ExampleAuthenticator() {
	a, err := auth.New(auth.Config{
		Methods: []string{auth.MethodTicket},
		Users:   []auth.User{{Name: "joe", Password: "s3cret", Groups: []string{"user"}}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	id, exchange, err := a.Begin(ctx, auth.Request{AuthID: "joe", Methods: []string{"wamp-scram", "ticket"}})
	if err == nil && exchange != nil { // CHALLENGE goes out, AUTHENTICATE comes in
		id, err = exchange.Finish(ctx, "s3cret", nil)
	}
	fmt.Println(id.AuthID, id.AuthRole, id.AuthMethod, id.Roles, err)
	// Output: joe user ticket [joe user] <nil>
}
