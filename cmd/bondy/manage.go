package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"bondy/core/wamp"
)

// administration are the commands that call the management procedures.
func administration() []*cobra.Command {
	return []*cobra.Command{
		realmsCommand(), userCommand(), groupCommand(), grantCommand(), sourceCommand(), ticketCommand(), keyCommand(),
	}
}

// masterRealm is the one whose procedures manage all realms.
const masterRealm wamp.URI = "bondy"

// query is a call on its way to a procedure of a realm's own table.
type query struct {
	realm     wamp.URI
	procedure wamp.URI
	args      []any
	kwargs    map[string]any
	// secret was drawn here and is shown once, as the member password.
	secret string
}

// add appends arguments.
func (q *query) add(args ...any) { q.args = append(q.args, args...) }

// set gives a keyword argument.
func (q *query) set(name string, value any) {
	if q.kwargs == nil {
		q.kwargs = make(map[string]any)
	}
	q.kwargs[name] = value
}

// filler puts what the command line says into a query.
type filler func(cmd *cobra.Command, q *query, args []string) error

// words passes the arguments of the command line on as they are.
func words(_ *cobra.Command, q *query, args []string) error {
	for _, a := range args {
		q.add(a)
	}
	return nil
}

// deletion passes the arguments on, and whether to delete what is still in use.
func deletion(evenIf string) func(*pflag.FlagSet) filler {
	return func(f *pflag.FlagSet) filler {
		force := f.Bool("force", false, evenIf)
		return func(cmd *cobra.Command, q *query, args []string) error {
			q.set("force", *force)
			return words(cmd, q, args)
		}
	}
}

// verb is a command that has one management procedure answer and shows what
// that says: nothing, one thing, or with columns a list.
type verb struct {
	// use is the name and the arguments, of which the last may repeat: NAME...
	use, short string
	procedure  wamp.URI
	// prepare adds the command's own flags; nil passes the arguments on.
	prepare func(*pflag.FlagSet) filler
	columns columns
	// pages says that the list comes in pages, and of what it is one.
	pages string
	// table shows one thing in its own way.
	table func(printer, detail)
	// document says that the result is for machines, JSON in any case.
	document bool
	// note is what to say on standard error of an answer; nil or "" for nothing.
	note func(*answer) string
	// global says that the command is not about what is in a realm.
	global bool
}

// nest makes a command that holds others.
func nest(use, short string, verbs ...verb) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short}
	for _, v := range verbs {
		cmd.AddCommand(v.command())
	}
	return cmd
}

func (v verb) command() *cobra.Command {
	r := realmCommand{output: "json"}
	cmd := &cobra.Command{Use: v.use, Short: v.short, Args: arity(v.use)}
	r.socket.flags(cmd)
	if !v.document {
		outputFlag(cmd, &r.output)
	}
	if !v.global {
		realmFlag(cmd, &r.realm)
	}
	if v.pages != "" {
		cmd.Flags().IntVar(&r.limit, "limit", 0, "show at most `N`; 0 shows all")
		cmd.Flags().StringVar(&r.after, "after", "", "show those after `NAME`, which need not be there")
	}
	fill := filler(words)
	if v.prepare != nil {
		fill = v.prepare(cmd.Flags())
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if err := r.limited(); err != nil {
			return err
		}
		q := &query{realm: masterRealm, procedure: v.procedure, args: []any{}}
		if !v.global {
			q.add(r.realm)
		}
		if err := fill(cmd, q, args); err != nil {
			return err
		}
		if v.columns != "" {
			return v.list(cmd, &r, q)
		}
		return v.one(cmd, &r, q)
	}
	return cmd
}

// arity demands as many arguments as the line of usage shows.
func arity(use string) cobra.PositionalArgs {
	names := strings.Fields(use)[1:]
	if n := len(names); n > 0 && strings.HasSuffix(names[n-1], "...") {
		return cobra.MinimumNArgs(n)
	}
	return cobra.ExactArgs(len(names))
}

// one shows the result of a procedure, if it has any.
func (v verb) one(cmd *cobra.Command, r *realmCommand, q *query) error {
	a, err := r.ask(cmd.Context(), q)
	if err != nil {
		return err
	}
	var result any
	if len(a.args) > 0 {
		if err := unmarshal(a.args[0], &result); err != nil {
			return err
		}
	}
	if v.note != nil {
		if text := v.note(a); text != "" {
			if _, err := fmt.Fprintln(cmd.ErrOrStderr(), text); err != nil {
				return err
			}
		}
	}
	thing, isThing := result.(map[string]any)
	if q.secret != "" {
		if thing == nil {
			thing = make(map[string]any)
		}
		thing["password"] = q.secret
		result, isThing = thing, true
	}
	if result == nil {
		return nil
	}
	return show(cmd.OutOrStdout(), r.output, result, func(line printer) {
		switch {
		case !isThing:
			line("%s", cell(result))
		case v.table != nil:
			v.table(line, thing)
		default:
			detail(thing).record(line)
		}
	})
}

// list shows a list.
func (v verb) list(cmd *cobra.Command, r *realmCommand, q *query) error {
	list, more, err := v.members(cmd, r, q)
	if err != nil {
		return err
	}
	return show(cmd.OutOrStdout(), r.output, list, func(line printer) {
		switch {
		case len(list) > 0:
			v.columns.table(line, list)
		case v.global:
			line("no %s", v.pages)
		case v.pages != "":
			line("no %s in realm %s", v.pages, r.realm)
		default:
			line("none")
		}
		if more {
			line("and more: see --limit and --after")
		}
	})
}

// pageSize is how many members of a list one call asks for.
const pageSize = 1000

// members gets a list, page by page if it comes so, up to the limit.
func (v verb) members(cmd *cobra.Command, r *realmCommand, q *query) (all []detail, more bool, err error) {
	if v.pages != "" {
		q.set("limit", pageSize)
		if r.after != "" {
			q.set("after", r.after)
		}
	}
	all = []detail{}
	var last json.RawMessage
	for {
		a, err := r.ask(cmd.Context(), q)
		if err != nil {
			return nil, false, err
		}
		if len(a.args) == 0 {
			return nil, false, fmt.Errorf("%s answered nothing", q.procedure)
		}
		var page []detail
		if err := unmarshal(a.args[0], &page); err != nil {
			return nil, false, fmt.Errorf("%s did not answer with a list: %w", q.procedure, err)
		}
		for _, d := range page {
			if r.limit > 0 && len(all) == r.limit {
				return all, true, nil
			}
			all = append(all, d)
		}
		next := a.kwargs["next"]
		if next == nil || bytes.Equal(next, last) {
			return all, false, nil
		}
		q.set("after", next)
		last = next
	}
}

// needs demands that flags are given.
func needs(flags *pflag.FlagSet, names ...string) error {
	missing := slices.DeleteFunc(names, flags.Changed)
	if len(missing) == 0 {
		return nil
	}
	return usage(fmt.Errorf("give --%s", strings.Join(missing, " and --")))
}

// oneOf demands exactly one of some flags.
func oneOf(flags *pflag.FlagSet, names ...string) error {
	given := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !flags.Changed(name) })
	if len(given) == 1 {
		return nil
	}
	return usage(fmt.Errorf("give one of --%s", strings.Join(names, ", --")))
}

// property is a flag that sets a member of an object.
type property struct {
	flag, member string
	value        func() any
}

// object is what a procedure is given of the flags that were used.
type object struct {
	flags      *pflag.FlagSet
	properties []property
}

func (o *object) property(flag, member string, value func() any) {
	o.properties = append(o.properties, property{flag, member, value})
}

func (o *object) text(flag, member, usage string) {
	v := o.flags.String(flag, "", usage)
	o.property(flag, member, func() any { return *v })
}

// uri is a text of which the empty one takes the member away.
func (o *object) uri(flag, member, usage string) {
	v := o.flags.String(flag, "", usage)
	o.property(flag, member, func() any {
		if *v == "" {
			return nil
		}
		return *v
	})
}

func (o *object) list(flag, member, usage string) {
	v := o.flags.StringSlice(flag, nil, usage)
	o.property(flag, member, func() any { return *v })
}

func (o *object) bool(flag, member, usage string) {
	v := o.flags.Bool(flag, false, usage)
	o.property(flag, member, func() any { return *v })
}

// json is an object within the object.
func (o *object) json(flag, member, usage string) {
	v := &rawObject{}
	o.flags.Var(v, flag, usage)
	o.property(flag, member, func() any { return json.RawMessage(*v) })
}

// members are those of which the flags were used, over those of base.
func (o *object) members(base map[string]any) map[string]any {
	m := maps.Clone(base)
	if m == nil {
		m = make(map[string]any)
	}
	for _, p := range o.properties {
		if o.flags.Changed(p.flag) {
			m[p.member] = p.value()
		}
	}
	return m
}

// rawObject is a flag that takes a JSON object.
type rawObject json.RawMessage

// Set takes the text.
func (r *rawObject) Set(text string) error {
	var m map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &m); err != nil || m == nil {
		return fmt.Errorf("give a JSON object such as '{\"key\": 1}'")
	}
	*r = rawObject(text)
	return nil
}

// String is the text.
func (r *rawObject) String() string { return string(*r) }

// Type is what pflag calls it.
func (*rawObject) Type() string { return "json" }
