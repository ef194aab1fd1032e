package meta_test

import (
	"runtime"
	"testing"

	"bondy/core/coretest"
	"bondy/core/wamp"
)

// What a session may leave behind is counted encoded, and is kept so: decoded,
// small values take many times as much.
func TestWhatIsKeptOfSessionsIsWhatIsCounted(t *testing.T) {
	small := func(n int) []any {
		list := make([]any, n)
		for i := range list {
			list[i] = []any{}
		}
		return list
	}
	for name, keep := range map[string]func(c *coretest.Client){
		"publish_options": func(c *coretest.Client) {
			done(t, c, addTestament, map[string]any{"publish_options": map[string]any{"x": small(60_000)}}, "a.will")
		},
		"arguments": func(c *coretest.Client) { done(t, c, addTestament, nil, "a.will", small(60_000)) },
		"details": func(c *coretest.Client) {
			done(t, c, "wamp.session.modify_details", nil, c.ID, map[string]any{"x": small(16_000)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := router(t)
			const n = 20
			var clients [n]*coretest.Client
			for i := range clients {
				clients[i] = coretest.JoinWith(t, r, wamp.MessagePack, coretest.Roles())
			}
			before := heap()
			for _, c := range clients {
				keep(c)
			}
			if each := (heap() - before) / n; each > 160<<10 {
				t.Errorf("%d bytes are kept for each session", each)
			}
			runtime.KeepAlive(r)
		})
	}
}

func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools hold goes the second time
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
