package config

import "bondy/core/unit"

// Size is a number of bytes, written as "512B", "64KiB", "16MiB" or "1GiB".
type Size = unit.Size

// The units of a Size.
const (
	Byte = unit.Byte
	KiB  = unit.KiB
	MiB  = unit.MiB
	GiB  = unit.GiB
)
