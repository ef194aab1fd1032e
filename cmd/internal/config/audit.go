package config

// Audit is the log of who logged in, was refused or changed something.
type Audit struct {
	// Enabled has the node keep it, in the directory audit of DataDir.
	Enabled bool `toml:"enabled"`
	// MaxSegment bounds each of its files.
	MaxSegment Size `toml:"max_segment"`
	// MaxBytes bounds those of administration together, and again all others; the
	// oldest go.
	MaxBytes Size `toml:"max_bytes"`
	// Anonymous has it record the sessions of anonymous clients, too.
	Anonymous bool `toml:"anonymous"`
}

// minSegment is the least that a file of the audit log may be bounded to.
const minSegment = 256 * KiB

func (a *Audit) check(p *problems) {
	if a.MaxSegment < minSegment {
		p.addf("audit.max_segment", "%s is less than %s", a.MaxSegment, minSegment)
	}
	if a.MaxBytes < 2*a.MaxSegment {
		p.addf("audit.max_bytes", "%s does not hold two files of max_segment, %s", a.MaxBytes, a.MaxSegment)
	}
}
