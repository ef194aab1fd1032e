package rbac_test

import (
	"fmt"

	"bondy/core/rbac"
	"bondy/core/wamp"
)

func ExampleRights_Decide() {
	a, err := rbac.New(rbac.Config{Grants: []rbac.Grant{{
		Roles:       []string{"user"},
		Permissions: []rbac.Permission{rbac.Call, rbac.Subscribe},
		Resources:   []rbac.Resource{{URI: "", Match: wamp.MatchPrefix}},
	}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	rights := a.Rights(rbac.Subject{Groups: []string{"user"}})
	fmt.Println(rights.Decide(rbac.Call, "com.example.add", wamp.MatchExact))
	fmt.Println(rights.Decide(rbac.Publish, "com.example.topic", wamp.MatchExact))
	fmt.Println(rights.Decide(rbac.Call, "bondy.user.delete", wamp.MatchExact))
	// Output:
	// true
	// false
	// false
}
