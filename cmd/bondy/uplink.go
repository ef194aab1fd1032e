package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"bondy/cmd/internal/node"
	"bondy/uplink/bridge"
)

func uplinkCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "uplink", Short: "Show the links between edges and cores"}
	cmd.AddCommand(uplinkListCommand(), uplinkShowCommand())
	return cmd
}

func uplinkListCommand() *cobra.Command {
	var socket adminSocket
	var output string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the uplinks of an edge, or the edges at a core",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			uplinks, err := uplinks(cmd, &socket)
			if err != nil {
				return err
			}
			return show(cmd.OutOrStdout(), output, uplinks, func(line printer) {
				if len(uplinks) == 0 {
					line("no uplinks")
					return
				}
				line("NAME\tSTATE\tSINCE\tPEER\tRTT\tREALMS\tIN\tOUT\tPROBLEM")
				for _, u := range uplinks {
					bridged := 0
					for _, r := range u.Realms {
						if r.State == "bridged" {
							bridged++
						}
					}
					line("%s\t%s\t%s\t%s\t%s\t%d/%d\t%d\t%d\t%s", u.Name, u.State, ago(u.Since), dash(u.Peer), rtt(u),
						bridged, len(u.Realms), u.FramesIn, u.FramesOut, u.Problem)
				}
			})
		},
	}
	socket.flags(cmd)
	outputFlag(cmd, &output)
	return cmd
}

func uplinkShowCommand() *cobra.Command {
	var socket adminSocket
	var output string
	cmd := &cobra.Command{
		Use:   "show NAME",
		Short: "Show one uplink with its realms",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			uplinks, err := uplinks(cmd, &socket)
			if err != nil {
				return err
			}
			i := slices.IndexFunc(uplinks, func(u node.UplinkStatus) bool { return u.Name == args[0] })
			if i < 0 {
				names := make([]string, len(uplinks))
				for i, u := range uplinks {
					names[i] = u.Name
				}
				return fmt.Errorf("no uplink %q; there are: %s", args[0], dash(strings.Join(names, ", ")))
			}
			u := uplinks[i]
			return show(cmd.OutOrStdout(), output, u, func(line printer) { showUplink(line, u) })
		},
	}
	socket.flags(cmd)
	outputFlag(cmd, &output)
	return cmd
}

func showUplink(line printer, u node.UplinkStatus) {
	line("name\t%s\nstate\t%s since %s\npeer\t%s\nround trip\t%s", u.Name, u.State, ago(u.Since), dash(u.Peer), rtt(u))
	line("in\t%d frames, %d bytes\nout\t%d frames, %d bytes\nqueued\t%d bytes", u.FramesIn, u.BytesIn, u.FramesOut, u.BytesOut, u.Queued)
	if u.Problem != "" {
		line("problem\t%s", u.Problem)
	}
	line("\nREALM\tSTATE\tTOLD\tWANTED\tEVENTS IN\tCALLS IN\tDENIED\tREFUSED")
	for _, r := range u.Realms {
		line("%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d", r.Realm, state(r), r.Told, r.Wanted, r.EventsIn, r.CallsIn, r.Denied, r.Refused)
	}
}

func state(r bridge.RealmStatus) string {
	if r.Refusal == "" {
		return r.State
	}
	return r.State + ": " + strings.TrimSpace(r.Refusal)
}

func uplinks(cmd *cobra.Command, socket *adminSocket) ([]node.UplinkStatus, error) {
	body, err := socket.do(cmd.Context(), http.MethodGet, "/uplinks")
	if err != nil {
		return nil, err
	}
	var out []node.UplinkStatus
	return out, json.Unmarshal(body, &out)
}

func ago(t time.Time) string { return time.Since(t).Round(time.Second).String() }

func rtt(u node.UplinkStatus) string {
	if u.RTT == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", u.RTT)
}
