package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"

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
	after  string
}

// limited refuses a limit that cannot be meant.
func (r *realmCommand) limited() error {
	if r.limit < 0 {
		return usage(errors.New("--limit must not be negative"))
	}
	return nil
}

func (r *realmCommand) flags(cmd *cobra.Command) {
	r.socket.flags(cmd)
	outputFlag(cmd, &r.output)
	realmFlag(cmd, &r.realm)
}

func realmFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "realm", "realm1", "`URI` of the realm")
}

// ask has a procedure answer.
func (r *realmCommand) ask(ctx context.Context, q *query) (*answer, error) {
	c := &node.Call{Realm: q.realm, Procedure: q.procedure}
	var err error
	if c.Args, err = json.Marshal(q.args); err != nil {
		return nil, err
	}
	if len(q.kwargs) > 0 {
		if c.Kwargs, err = json.Marshal(q.kwargs); err != nil {
			return nil, err
		}
	}
	return r.socket.call(ctx, c)
}

// call has a procedure of the realm answer and decodes its one result into v.
func (r *realmCommand) call(ctx context.Context, procedure string, v any, args ...any) error {
	a, err := r.ask(ctx, &query{realm: wamp.URI(r.realm), procedure: wamp.URI(procedure), args: append([]any{}, args...)})
	if err != nil {
		return err
	}
	if len(a.args) == 0 {
		return fmt.Errorf("%s answered nothing", procedure)
	}
	return unmarshal(a.args[0], v)
}

// kind is a kind of thing that the Meta API lists.
type kind struct {
	name    string // wamp.NAME.list and so on
	title   string
	columns columns
	mark    func(detail) // adds what only the table shows, if anything
	filters []string     // members by which a list can be narrowed, and the flags for it
	count   string       // procedure that counts its members, if it has any
}

func sessionCommand() *cobra.Command {
	k := kind{
		name: "session", title: "sessions", filters: []string{"authid", "authrole"},
		columns: "ID:session STATE:state AUTHID:authid AUTHROLE:authrole METHOD:authmethod TRANSPORT:transport.type SERIALIZER:transport.serializer PEER:transport.peername",
		mark: func(d detail) {
			d["state"] = "open"
			if d["detached"] == true {
				d["state"] = "detached"
			}
		},
	}
	cmd := k.command("Show or end the sessions of a realm")
	cmd.AddCommand(killCommand())
	return cmd
}

func registrationCommand() *cobra.Command {
	k := kind{
		name: "registration", title: "registrations",
		columns: "ID:id MATCH:match PROCEDURE:uri INVOKE:invoke CALLEES:count CREATED:created",
		count:   "wamp.registration.count_callees",
	}
	return k.command("Show the procedures that are registered in a realm")
}

func subscriptionCommand() *cobra.Command {
	k := kind{
		name: "subscription", title: "subscriptions",
		columns: "ID:id MATCH:match TOPIC:uri SUBSCRIBERS:count CREATED:created",
		count:   "wamp.subscription.count_subscribers",
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
	only := make(map[string]*string, len(k.filters))
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the " + k.title,
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := r.limited(); err != nil {
				return err
			}
			maps.DeleteFunc(only, func(name string, _ *string) bool { return !cmd.Flags().Changed(name) })
			all, more, err := k.members(cmd.Context(), &r, only)
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), r.output, all, func(line printer) {
				if len(all) == 0 {
					line("no %s in realm %s", k.title, r.realm)
					return
				}
				k.table(line, all...)
				if more > 0 {
					line("and %d more: see --limit", more)
				}
			})
		},
	}
	r.flags(cmd)
	cmd.Flags().IntVar(&r.limit, "limit", 1000, "show at most `N`")
	for _, name := range k.filters {
		only[name] = cmd.Flags().String(name, "", "show only those with this `"+strings.ToUpper(name)+"`")
	}
	return cmd
}

func (k kind) table(line printer, list ...detail) {
	if k.mark != nil {
		for _, d := range list {
			k.mark(d)
		}
	}
	k.columns.table(line, list)
}

// members are those of the kind that have the values of only, up to the limit,
// and how many there are beyond it.
func (k kind) members(ctx context.Context, r *realmCommand, only map[string]*string) (all []detail, more int, err error) {
	ids, err := k.ids(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	all = []detail{}
	for i, id := range ids {
		if len(all) == r.limit && len(only) == 0 {
			return all, len(ids) - i, nil // which needs no look at them
		}
		d, err := k.get(ctx, r, id)
		switch {
		case err != nil:
			return nil, 0, err
		case d == nil || !d.has(only):
		case len(all) == r.limit:
			more++
		default:
			all = append(all, d)
		}
	}
	return all, more, nil
}

// has reports whether the members have these values.
func (d detail) has(values map[string]*string) bool {
	for name, v := range values {
		if d[name] != *v {
			return false
		}
	}
	return true
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
			return show(cmd.OutOrStdout(), r.output, d, func(line printer) { k.table(line, d) })
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
		d["count"] = n
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
	var authid, reason, message string
	cmd := &cobra.Command{
		Use:   "kill [ID]",
		Short: "End a session, or all of an authid",
		Args: func(cmd *cobra.Command, args []string) error {
			if byAuthID := cmd.Flags().Changed("authid"); len(args) > 1 || byAuthID == (len(args) == 1) {
				return errors.New("give the ID of a session, or --authid")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var ended []wamp.ID
			q := &query{
				realm: wamp.URI(r.realm), procedure: "wamp.session.kill_by_authid", args: []any{authid},
				kwargs: map[string]any{"reason": reason, "message": message},
			}
			if len(args) == 1 {
				id, err := parseID(args[0])
				if err != nil {
					return err
				}
				q.procedure, q.args, ended = "wamp.session.kill", []any{id}, []wamp.ID{id}
			}
			a, err := r.ask(cmd.Context(), q)
			if err != nil {
				return err
			}
			if len(a.args) > 0 { // of an authid
				if err := json.Unmarshal(a.args[0], &ended); err != nil {
					return err
				}
			}
			return show(cmd.OutOrStdout(), r.output, ended, func(line printer) { line("sessions ended: %d", len(ended)) })
		},
	}
	r.flags(cmd)
	cmd.Flags().StringVar(&authid, "authid", "", "end all sessions of this `AUTHID`")
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
