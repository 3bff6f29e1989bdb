package client

import (
	"testing"
)

// FuzzReply: whatever the other side sends, the client takes it apart without falling over, and takes nothing for a
// success that is not one.
func FuzzReply(f *testing.F) {
	f.Add(200, []byte(`{"errCode":0,"errMsg":"","errDlt":"","data":{"ticket":"x","expires":1}}`))
	f.Add(200, []byte(`{"errCode":1506,"errMsg":"no"}`))
	f.Add(503, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		var out struct{ Ticket string }
		err := read("/x", status, text, &out)
		if err == nil && status != 200 {
			t.Fatal("a success of another status")
		}
		if err != nil {
			_ = err.Error()
		}
	})
}
