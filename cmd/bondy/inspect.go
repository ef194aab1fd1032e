package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/node"
	"bondy/core/wamp"
)

// realmCommand is what the commands that look into a realm have in common.
type realmCommand struct {
	socket adminSocket
	realm  string
	output string
	limit  int
}

func (r *realmCommand) flags(cmd *cobra.Command) {
	r.socket.flags(cmd)
	outputFlag(cmd, &r.output)
	cmd.Flags().StringVar(&r.realm, "realm", "realm1", "`URI` of the realm")
}

// call has a procedure of the realm answer and decodes its one result into v.
func (r *realmCommand) call(ctx context.Context, procedure string, v any, args ...any) error {
	list, err := json.Marshal(append([]any{}, args...))
	if err != nil {
		return err
	}
	c := &node.Call{Realm: wamp.URI(r.realm), Procedure: wamp.URI(procedure), Args: list}
	results, err := r.socket.call(ctx, c)
	if err != nil || v == nil {
		return err
	}
	if len(results) == 0 {
		return fmt.Errorf("%s answered nothing", procedure)
	}
	return json.Unmarshal(results[0], v)
}

// kind is a kind of thing that the Meta API lists.
type kind struct {
	name    string // wamp.NAME.list and so on
	title   string
	columns string
	row     func(detail) string
	count   string // procedure that counts its members, if it has any
}

// detail is what wamp.*.get says of one thing.
type detail map[string]any

func (d detail) text(key string) string {
	switch v := d[key].(type) {
	case nil:
		return "-"
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	default:
		return dash(fmt.Sprint(v))
	}
}

func (d detail) transport(key string) string {
	t, _ := d["transport"].(map[string]any)
	return detail(t).text(key)
}

func sessionCommand() *cobra.Command {
	k := kind{
		name: "session", title: "sessions", columns: "ID\tSTATE\tAUTHID\tAUTHROLE\tMETHOD\tTRANSPORT\tSERIALIZER\tPEER",
		row: func(d detail) string {
			state := "open"
			if d["detached"] == true {
				state = "detached"
			}
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s", d.text("session"), state, d.text("authid"), d.text("authrole"),
				d.text("authmethod"), d.transport("type"), d.transport("serializer"), d.transport("peername"))
		},
	}
	cmd := k.command("Show or end the sessions of a realm")
	cmd.AddCommand(killCommand())
	return cmd
}

func registrationCommand() *cobra.Command {
	k := kind{
		name: "registration", title: "registrations", columns: "ID\tMATCH\tPROCEDURE\tINVOKE\tCALLEES\tCREATED",
		row: func(d detail) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%s", d.text("id"), d.text("match"), d.text("uri"),
				d.text("invoke"), d.text("count"), d.text("created"))
		},
		count: "wamp.registration.count_callees",
	}
	return k.command("Show the procedures that are registered in a realm")
}

func subscriptionCommand() *cobra.Command {
	k := kind{
		name: "subscription", title: "subscriptions", columns: "ID\tMATCH\tTOPIC\tSUBSCRIBERS\tCREATED",
		row: func(d detail) string {
			return fmt.Sprintf("%s\t%s\t%s\t%s\t%s", d.text("id"), d.text("match"), d.text("uri"), d.text("count"), d.text("created"))
		},
		count: "wamp.subscription.count_subscribers",
	}
	return k.command("Show the topics that are subscribed to in a realm")
}

func (k kind) command(short string) *cobra.Command {
	cmd := &cobra.Command{Use: k.name, Short: short}
	cmd.AddCommand(k.list(), k.show())
	return cmd
}

func (k kind) list() *cobra.Command {
	var r realmCommand
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the " + k.title,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ids, err := k.ids(cmd.Context(), &r)
			if err != nil {
				return err
			}
			more := len(ids) - r.limit
			all := make([]detail, 0, min(len(ids), r.limit))
			for _, id := range ids[:min(len(ids), r.limit)] {
				if d, err := k.get(cmd.Context(), &r, id); err != nil {
					return err
				} else if d != nil {
					all = append(all, d)
				}
			}
			return show(cmd.OutOrStdout(), r.output, all, func(line printer) {
				if len(all) == 0 {
					line("no %s in realm %s", k.title, r.realm)
					return
				}
				line("%s", k.columns)
				for _, d := range all {
					line("%s", k.row(d))
				}
				if more > 0 {
					line("and %d more: see --limit", more)
				}
			})
		},
	}
	r.flags(cmd)
	cmd.Flags().IntVar(&r.limit, "limit", 1000, "show at most `N`")
	return cmd
}

func (k kind) show() *cobra.Command {
	var r realmCommand
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one of the " + k.title,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			d, err := k.get(cmd.Context(), &r, id)
			if err != nil {
				return err
			}
			if d == nil {
				return fmt.Errorf("realm %s has no %s %d", r.realm, k.name, id)
			}
			return show(cmd.OutOrStdout(), r.output, d, func(line printer) {
				line("%s", k.columns)
				line("%s", k.row(d))
			})
		},
	}
	r.flags(cmd)
	return cmd
}

// ids lists all of the kind: sessions come in one list, what has a matching
// policy in one for each.
func (k kind) ids(ctx context.Context, r *realmCommand) ([]wamp.ID, error) {
	if k.count == "" {
		var ids []wamp.ID
		return ids, r.call(ctx, "wamp."+k.name+".list", &ids)
	}
	var by struct{ Exact, Prefix, Wildcard []wamp.ID }
	err := r.call(ctx, "wamp."+k.name+".list", &by)
	return append(append(by.Exact, by.Prefix...), by.Wildcard...), err
}

// get tells what is known of one thing; nil when it went meanwhile.
func (k kind) get(ctx context.Context, r *realmCommand, id wamp.ID) (detail, error) {
	var d detail
	if err := r.call(ctx, "wamp."+k.name+".get", &d, id); gone(err) || err != nil {
		return nil, unlessGone(err)
	}
	if k.count != "" {
		var n int
		if err := r.call(ctx, k.count, &n, id); err != nil {
			return nil, unlessGone(err)
		}
		d["count"] = float64(n)
	}
	return d, nil
}

func gone(err error) bool {
	r, ok := err.(*node.CallError) //nolint:errorlint // comes bare
	return ok && (r.URI == wamp.ErrNoSuchSession || r.URI == wamp.ErrNoSuchRegistration || r.URI == wamp.ErrNoSuchSubscription)
}

func unlessGone(err error) error {
	if gone(err) {
		return nil
	}
	return err
}

func killCommand() *cobra.Command {
	var r realmCommand
	var reason, message string
	cmd := &cobra.Command{
		Use:   "kill ID",
		Short: "End a session",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseID(args[0])
			if err != nil {
				return err
			}
			kwargs, err := json.Marshal(map[string]string{"reason": reason, "message": message})
			if err != nil {
				return err
			}
			_, err = r.socket.call(cmd.Context(), &node.Call{
				Realm: wamp.URI(r.realm), Procedure: "wamp.session.kill",
				Args: json.RawMessage(fmt.Sprintf("[%d]", id)), Kwargs: kwargs,
			})
			return err
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&reason, "reason", string(wamp.CloseKilled), "`URI` that the client is told")
	cmd.Flags().StringVar(&message, "message", "ended by the operator", "`TEXT` that the client is told")
	return cmd
}

func parseID(s string) (wamp.ID, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if id := wamp.ID(n); err == nil && id.Valid() {
		return id, nil
	}
	return 0, fmt.Errorf("%q is not an id: give one that list shows", s)
}
