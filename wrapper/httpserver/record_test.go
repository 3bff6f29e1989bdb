package httpserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// observe runs one request through a Recorder, and returns the reply, the log line and the registry.
func observe(t *testing.T, req *http.Request, f http.HandlerFunc) (*httptest.ResponseRecorder, map[string]any, *prometheus.Registry) {
	t.Helper()
	var log bytes.Buffer
	reg := prometheus.NewPedanticRegistry()
	at := time.Unix(1000, 0)
	clock := func() time.Time { at = at.Add(25 * time.Millisecond); return at }
	w := httptest.NewRecorder()
	NewRecorder(slog.New(slog.NewJSONHandler(&log, nil)), reg, clock).Wrap(f).ServeHTTP(w, req)
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Fatalf("%d log lines: %s", n, log.String())
	}
	line := map[string]any{}
	if err := json.Unmarshal(log.Bytes(), &line); err != nil {
		t.Fatal(err)
	}
	delete(line, "time")
	return w, line, reg
}

func TestOneLineForOneRequest(t *testing.T) {
	g := NewWithT(t)
	req := httptest.NewRequest(http.MethodPost, "/admin/v1/user/user_register?token=secret-in-query", strings.NewReader(`secret-in-body`))
	req.Header.Set("Authorization", "Bearer secret-in-header")
	req.Header.Set("X-Request-Id", "r-1")
	w, line, reg := observe(t, req, func(w http.ResponseWriter, r *http.Request) {
		rec := RecordOf(r.Context())
		rec.Route, rec.Subject, rec.Issuer, rec.Audit, rec.Verdict, rec.ErrCode = "user/user_register", "root", "https://id", "write",
			VerdictAllowed, 1102
		rec.Users, rec.UserCount = []string{"alice"}, 3
		_, _ = w.Write([]byte("reply"))
	})
	g.Expect(line).To(Equal(map[string]any{
		"level": "INFO", "msg": "request", "requestID": "r-1", "peer": "192.0.2.1", "method": "POST", "route": "user/user_register",
		"verdict": "allowed", "status": 200.0, "errCode": 1102.0, "milliseconds": 25.0, "bytesOut": 5.0,
		"subject": "root", "issuer": "https://id", "audit": "write", "users": []any{"alice"}, "userCount": 3.0,
	}), "the line contains nothing of path, query, headers or bodies")
	g.Expect(w.Header().Get("X-Request-Id")).To(Equal("r-1"))
	g.Expect(testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP openim_wrapper_requests_total Requests answered, by route of the table, HTTP status and verdict.
# TYPE openim_wrapper_requests_total counter
openim_wrapper_requests_total{route="user/user_register",status="200",verdict="allowed"} 1
# HELP openim_wrapper_reply_errors_total Replies with an errCode other than 0, by route and by class of OpenIM's codes.
# TYPE openim_wrapper_reply_errors_total counter
openim_wrapper_reply_errors_total{class="11xx",route="user/user_register"} 1
`), "openim_wrapper_requests_total", "openim_wrapper_reply_errors_total", "openim_wrapper_refusals_total")).To(Succeed())
}

func TestAPanicIsAReplyAndALineWithoutItsText(t *testing.T) {
	g := NewWithT(t)
	w, line, _ := observe(t, httptest.NewRequest(http.MethodGet, "/x", nil),
		func(http.ResponseWriter, *http.Request) { panic("secret-in-panic") })
	g.Expect(w.Code).To(Equal(http.StatusInternalServerError))
	g.Expect(w.Body.String()).To(ContainSubstring(`"errCode":500`))
	g.Expect(line).To(And(HaveKeyWithValue("level", "ERROR"), HaveKeyWithValue("verdict", "failed"),
		HaveKeyWithValue("reason", "internal")))
	g.Expect(fmt.Sprint(line)).NotTo(ContainSubstring("secret-in-panic"))
}

func TestRefusedAndFailedAreDistinguished(t *testing.T) {
	for _, f := range wire.Failures {
		t.Run(f.Name, func(t *testing.T) {
			g := NewWithT(t)
			_, line, reg := observe(t, httptest.NewRequest(http.MethodPost, "/x", nil), func(w http.ResponseWriter, r *http.Request) {
				RecordOf(r.Context()).Refuse(f, "why")
				wire.WriteFailure(w, f)
			})
			want := VerdictRefused
			if f.Status >= 500 {
				want = VerdictFailed
			}
			g.Expect(line).To(And(HaveKeyWithValue("verdict", want), HaveKeyWithValue("reason", f.Name), HaveKeyWithValue("detail", "why")))
			g.Expect(testutil.GatherAndCount(reg, "openim_wrapper_refusals_total")).To(Equal(1))
		})
	}
}

func TestCallersCannotCreateLabels(t *testing.T) {
	g := NewWithT(t)
	_, line, reg := observe(t, httptest.NewRequest("BREW", "/unknown/path", nil), func(http.ResponseWriter, *http.Request) {})
	g.Expect(line).To(And(HaveKeyWithValue("route", "unknown"), HaveKeyWithValue("method", "other")))
	g.Expect(testutil.GatherAndCount(reg, "openim_wrapper_requests_total")).To(Equal(1))
	for code, class := range map[int]string{500: "5xx", 1004: "10xx", 1501: "15xx", 80000: "8xxxx", 90002: "9xxxx", 2000: "other",
		-1: "other", 1 << 30: "other"} {
		g.Expect(errClass(code)).To(Equal(class))
	}
}

// TestAnswersOfOneRouteAreCountedApart covers the counters that the Recorder keeps: each label of the next answer may differ.
func TestAnswersOfOneRouteAreCountedApart(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	recorder := NewRecorder(slog.New(slog.DiscardHandler), reg, time.Now)
	answer := func(route, verdict string, status int) {
		recorder.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			rec := RecordOf(r.Context())
			rec.Route, rec.Verdict = route, verdict
			w.WriteHeader(status)
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	}
	for range 2 {
		answer("a", VerdictAllowed, 200)
		answer("a", VerdictAllowed, 403)
		answer("a", VerdictFailed, 200)
		answer("b", VerdictAllowed, 200)
	}
	answer("a", VerdictAllowed, 200)
	NewWithT(t).Expect(testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP openim_wrapper_requests_total Requests answered, by route of the table, HTTP status and verdict.
# TYPE openim_wrapper_requests_total counter
openim_wrapper_requests_total{route="a",status="200",verdict="allowed"} 3
openim_wrapper_requests_total{route="a",status="200",verdict="failed"} 2
openim_wrapper_requests_total{route="a",status="403",verdict="allowed"} 2
openim_wrapper_requests_total{route="b",status="200",verdict="allowed"} 2
`), "openim_wrapper_requests_total")).To(Succeed())
}
