package systest_test

import (
	"io"
	"os"
	"strings"
	"testing"
	"text/tabwriter"

	"bondy/transport/client"
)

// costs are measured where BONDY_COST is set: the figures are for people, and
// nothing is asserted of them.
func costs(t *testing.T) {
	t.Helper()
	if os.Getenv("BONDY_COST") == "" {
		t.Skip("measures only where BONDY_COST is set")
	}
}

// table logs rows, whose cells tabs part.
func table(t *testing.T, rows ...string) {
	t.Helper()
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	_, _ = io.WriteString(w, strings.Join(rows, "\n")+"\n")
	_ = w.Flush()
	t.Logf("\n%s", &b)
}

func closeSession(t *testing.T, c *client.Session) {
	t.Helper()
	if err := c.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
