package node

import (
	"cmp"
	"context"
	"slices"
	"time"

	"bondy/uplink"
	"bondy/uplink/bridge"
)

// edgeUplink is an uplink of an edge.
type edgeUplink struct {
	name   string
	dialer *uplink.Dialer
	edge   *bridge.Edge
}

// UplinkStatus is what an operator sees of a link between an edge and a core.
type UplinkStatus struct {
	// Name is that of the uplink, at a core that of the edge.
	Name  string `json:"name"`
	State string `json:"state"`
	// Since is when the state began.
	Since time.Time `json:"since"`
	// Peer is the address at the other end.
	Peer string `json:"peer,omitempty"`
	// RTT is the round-trip time in milliseconds.
	RTT float64 `json:"rtt_ms,omitempty"`
	// Problem is why there is no link.
	Problem   string `json:"problem,omitempty"`
	Dials     uint64 `json:"dials,omitempty"`
	FramesIn  uint64 `json:"frames_in"`
	FramesOut uint64 `json:"frames_out"`
	BytesIn   uint64 `json:"bytes_in"`
	BytesOut  uint64 `json:"bytes_out"`
	Queued    int    `json:"queued_bytes"`

	Realms []bridge.RealmStatus `json:"realms"`
}

// Uplinks is a moment of all uplinks of an edge, or of all edges at a core.
func (n *Node) Uplinks(ctx context.Context) []UplinkStatus {
	out := []UplinkStatus{}
	for _, u := range n.edges {
		st := u.dialer.Stats()
		s := UplinkStatus{Name: u.name, State: string(st.State), Since: st.Since, Dials: st.Dials, Realms: u.edge.Status(ctx)}
		if st.Err != nil {
			s.Problem = st.Err.Error()
		}
		s.traffic(st.Traffic)
		if l := u.dialer.Link(); l != nil {
			s.link(l)
		}
		out = append(out, s)
	}
	if n.core != nil {
		edges := n.core.Status(ctx)
		for _, l := range n.arrivals.Links() {
			st := l.Stats()
			s := UplinkStatus{Name: l.Peer().Name, State: string(uplink.StateUp), Since: st.Since, Realms: edges[l].Realms}
			s.traffic(st.Traffic)
			s.link(l)
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b UplinkStatus) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (s *UplinkStatus) link(l *uplink.Link) {
	s.Peer, s.RTT, s.Queued = l.Remote().String(), float64(l.RTT().Microseconds())/1000, l.Stats().Queued
}

func (s *UplinkStatus) traffic(t uplink.Traffic) {
	s.FramesIn, s.FramesOut = t.Control.FramesIn+t.Data.FramesIn, t.Control.FramesOut+t.Data.FramesOut
	s.BytesIn, s.BytesOut = t.Control.BytesIn+t.Data.BytesIn, t.Control.BytesOut+t.Data.BytesOut
}
