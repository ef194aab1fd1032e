package transport

import (
	"net/netip"

	"bondy/core/auth"
	"bondy/core/rate"
)

// arrivals bounds how fast connections come, together and by address.
type arrivals struct {
	all      *rate.Bucket
	each     *rate.Table[netip.Prefix]
	loopback bool // has a bound, too
}

func newArrivals(cfg Config) arrivals {
	return arrivals{
		all: rate.New(cfg.MaxConnectionRate), each: rate.NewTable[netip.Prefix](cfg.MaxConnectionRatePerAddress),
		loopback: cfg.LimitLoopback,
	}
}

// from counts one more connection of an address, unless that is invalid. It
// returns the bound that it is above, or "".
func (a *arrivals) from(addr netip.Addr) Refusal {
	if !addr.IsValid() || !a.loopback && addr.IsLoopback() || a.each.Take(auth.Site(addr)) {
		return ""
	}
	return RefusedAddressRate
}

// any counts one more connection, as from does.
func (a *arrivals) any() Refusal {
	if a.all.Take() {
		return ""
	}
	return RefusedRate
}
