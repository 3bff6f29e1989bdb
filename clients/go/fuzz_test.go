package client

import (
	"testing"
)

// FuzzReply checks that no reply makes the decoder panic, and that no status but 200 is a success.
func FuzzReply(f *testing.F) {
	f.Add(200, []byte(`{"errCode":0,"errMsg":"","errDlt":"","data":{"ticket":"x","expires":1}}`))
	f.Add(200, []byte(`{"errCode":1506,"errMsg":"no"}`))
	f.Add(503, []byte(`<html>`))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		var out struct{ Ticket string }
		err := decodeReply("/x", status, text, &out)
		if err == nil && status != 200 {
			t.Fatal("a status other than 200 is a success")
		}
		if err != nil {
			_ = err.Error()
		}
	})
}
