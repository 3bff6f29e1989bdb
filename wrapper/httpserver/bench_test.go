package httpserver_test

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// blank is a writer of replies that costs nothing.
type blank struct{ header http.Header }

func (b *blank) Header() http.Header         { return b.header }
func (b *blank) Write(p []byte) (int, error) { return len(p), nil }
func (b *blank) WriteHeader(int)             {}

// BenchmarkRecorder is what a request costs beside its handler: the identifier, the line in the log and the metrics.
func BenchmarkRecorder(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // the encoding is measured, so that nothing is discarded before
	recorder := httpserver.NewRecorder(log, prometheus.NewRegistry(), time.Now)
	handler := recorder.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httpserver.RecordOf(r.Context())
		rec.Route, rec.Verdict, rec.Subject, rec.Issuer, rec.Audit = "user/get_users_info", "allowed", "alice", "openim-gateway", "read"
		rec.Users, rec.UserCount = []string{"bob"}, 1
		w.WriteHeader(http.StatusOK)
	}))
	req := httptest.NewRequest(http.MethodPost, "/im/v1/user/get_users_info", nil)
	req.Header.Set("Operationid", "a-request-of-a-client")
	b.ReportAllocs()
	for b.Loop() {
		handler.ServeHTTP(&blank{http.Header{}}, req)
	}
}

// BenchmarkReadJSON is a body of 1 KiB.
func BenchmarkReadJSON(b *testing.B) {
	text := strings.Repeat("x", 1<<10)
	req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(text))
	req.Header.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	b.ReportAllocs()
	for b.Loop() {
		req.Body = io.NopCloser(strings.NewReader(text))
		if body, failure := httpserver.ReadJSON(nil, req, 1<<20); failure != nil || len(body) != len(text) {
			b.Fatal(failure)
		}
	}
}
