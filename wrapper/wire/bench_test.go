package wire

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

type blank struct{ header http.Header }

func (b *blank) Header() http.Header         { return b.header }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}

// BenchmarkWriteEnvelope is a reply of 1 KiB.
func BenchmarkWriteEnvelope(b *testing.B) {
	data := json.RawMessage(`{"usersInfo":[{"userID":"alice","ex":"` + strings.Repeat("x", 940) + `"}]}`)
	b.ReportAllocs()
	for b.Loop() {
		WriteEnvelope(&blank{http.Header{}}, http.StatusOK, Envelope{Data: data})
	}
}
