package config_test

import (
	"testing"

	"bondy/cmd/internal/config"
)

// FuzzParse: no text panics, and what is accepted is valid.
func FuzzParse(f *testing.F) {
	f.Add([]byte(config.DefaultTOML()))
	f.Add([]byte("\ufeffmode='edge'\r\n[[a.b]]\n'c.d'.\"e\\\"\".f=[{x=1},\n[\"\"\"\"q\"\"\"\"]]#\n[a.b.c]\n[[a.b]]"))
	f.Add([]byte("[[realm]]\nusers=[{username='a',password='$$${HOME}',meta={a=[{b=1}]}}]"))
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := config.Parse(data, "bondy.toml")
		if err != nil {
			return
		}
		if err := cfg.Validate(); err != nil {
			t.Errorf("accepted, but %v", err)
		}
	})
}
