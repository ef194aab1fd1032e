package history_test

import (
	"path/filepath"
	"testing"

	"bondy/core/broker"
	"bondy/store"
	"bondy/store/history"
)

// FuzzRow reads whatever may stand in a row.
func FuzzRow(f *testing.F) {
	f.Add([]byte("\x96\xa9com.topic\x01\xc4\x02[]\xc0\x80\x80"))
	f.Add([]byte("\x96\xa9com.topic\x05\xc4\x02[]\xc0\x80\x80"))
	f.Add([]byte("\x96\x01\x02\x03\x04\x05\x06"))
	f.Add([]byte("\x90"))
	db, err := store.Open(filepath.Join(f.TempDir(), "history.db"), store.Options{})
	if err != nil {
		f.Fatal(err)
	}
	defer db.Close()
	rows := store.NewTable[string]("history", store.Raw())
	f.Fuzz(func(t *testing.T, row []byte) {
		if err := db.Relaxed(func(tx *store.Tx) error {
			return rows.Put(tx, "realm1\x00exact\x00com\x000123456789abcdef", row)
		}); err != nil {
			t.Skip()
		}
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
		l, err := history.New(db, history.Config{}).Open("realm1", broker.HistoryRule{URI: "com"})
		if err != nil {
			t.Fatal(err)
		}
		for r, err := range l.Records(broker.Position{}, everything(), false) {
			if (r == nil) == (err == nil) {
				t.Errorf("record %+v, error %v", r, err)
			}
		}
	})
}
