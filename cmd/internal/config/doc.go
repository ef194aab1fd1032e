// Package config turns bondy.toml into one typed Config. Load and Parse
// report everything that is wrong with a file at once, each finding with its
// line and key; Default is what a node runs without a file.
//
// A Config is plain data: it knows keys, defaults and what may stand
// together, not the packages that act on it. The composition root maps it to
// their own configurations.
package config
