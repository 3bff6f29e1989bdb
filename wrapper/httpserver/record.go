package httpserver

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Verdicts on a request.
const (
	VerdictAllowed = "allowed" // passed on, whatever OpenIM said to it
	VerdictRefused = "refused" // by us, because of the request
	VerdictFailed  = "failed"  // by us, because something behind us did not work
)

// UnknownRoute is the route label of everything that is in no table, so that no caller can make new labels.
const UnknownRoute = "unknown"

// Record is what a handler says of one request for its log line and metrics.
type Record struct {
	RequestID string
	Route     string // from the table only
	Subject   string
	Issuer    string
	Audit     string
	Verdict   string
	Reason    string // a fixed word; empty when allowed
	Detail    string // for the log alone
	ErrCode   int
	Users     []string // named by the body
	UserCount int
	// Routine marks what comes every few seconds by itself and went well: counted, but written only at the debug level.
	Routine bool
}

// Refuse notes a failure that the wrapper itself answers with.
func (r *Record) Refuse(f wire.Failure, detail string) {
	r.Verdict, r.Reason, r.Detail, r.ErrCode = VerdictRefused, f.Name, detail, f.ErrCode
	if f.Status >= http.StatusInternalServerError {
		r.Verdict = VerdictFailed
	}
}

type recordKey struct{}

// RecordOf returns the request's record. A handler outside Recorder.Wrap gets one that nobody reads.
func RecordOf(ctx context.Context) *Record {
	if r, ok := ctx.Value(recordKey{}).(*Record); ok {
		return r
	}
	return &Record{}
}

// Recorder writes one log line and one set of metrics for each request.
type Recorder struct {
	log      *slog.Logger
	now      func() time.Time
	requests *prometheus.CounterVec
	refused  *prometheus.CounterVec
	errCodes *prometheus.CounterVec
	duration *prometheus.HistogramVec
	inFlight prometheus.Gauge
	tracer   *Tracer
	ours     bool
}

// Trace makes a span of each request. ours says that callers are the wrapper's other half, whose traces are gone on with;
// everybody else's traceparent is not looked at. A nil Tracer changes nothing.
func (r *Recorder) Trace(t *Tracer, ours bool) *Recorder {
	r.tracer, r.ours = t, ours
	return r
}

// NewRecorder registers its metrics on reg.
func NewRecorder(log *slog.Logger, reg prometheus.Registerer, now func() time.Time) *Recorder {
	r := &Recorder{log: log, now: now,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_requests_total", Help: "Requests answered, by route of the table, HTTP status and verdict.",
		}, []string{"route", "status", "verdict"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_refusals_total", Help: "Requests refused or failed by the wrapper itself, by reason.",
		}, []string{"reason"}),
		errCodes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_reply_errors_total", Help: "Replies with an errCode other than 0, by route and by class of OpenIM's codes.",
		}, []string{"route", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "openim_wrapper_request_duration_seconds", Help: "Time from the read header to the written reply.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "openim_wrapper_requests_in_flight", Help: "Requests being worked on.",
		}),
	}
	reg.MustRegister(r.requests, r.refused, r.errCodes, r.duration, r.inFlight)
	return r
}

// Wrap gives each request an identifier and a record, and turns a panic into a reply.
func (r *Recorder) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := r.now()
		rec := &Record{RequestID: wire.RequestID(req.Header), Route: UnknownRoute}
		out := &meter{ResponseWriter: w}
		out.Header().Set(wire.HeaderRequestID, rec.RequestID)
		r.inFlight.Inc()
		ctx := context.WithValue(req.Context(), recordKey{}, rec)
		var span trace.Span
		if r.tracer != nil {
			ctx, span = r.tracer.begin(req.WithContext(ctx), r.ours)
		}
		defer func() {
			r.inFlight.Dec()
			if p := recover(); p != nil {
				// The panic's value can hold anything, so only its being there is told.
				rec.Refuse(wire.Internal, "panic")
				if out.status == 0 {
					wire.WriteFailure(out, wire.Internal)
				}
			}
			if span != nil {
				r.tracer.finish(span, req, rec, out.status)
			}
			r.finish(req, rec, out, r.now().Sub(start))
		}()
		next.ServeHTTP(out, req.WithContext(ctx))
	})
}

func (r *Recorder) finish(req *http.Request, rec *Record, out *meter, took time.Duration) {
	r.requests.WithLabelValues(rec.Route, strconv.Itoa(out.status), rec.Verdict).Inc()
	r.duration.WithLabelValues(rec.Route).Observe(took.Seconds())
	if rec.Reason != "" {
		r.refused.WithLabelValues(rec.Reason).Inc()
	}
	if rec.ErrCode != wire.CodeOK {
		r.errCodes.WithLabelValues(rec.Route, errClass(rec.ErrCode)).Inc()
	}
	peer, _, _ := net.SplitHostPort(req.RemoteAddr)
	line := []slog.Attr{
		slog.String("requestID", rec.RequestID), slog.String("peer", peer), slog.String("method", method(req.Method)),
		slog.String("route", rec.Route), slog.String("verdict", rec.Verdict), slog.Int("status", out.status),
		slog.Int("errCode", rec.ErrCode), slog.Float64("milliseconds", float64(took.Microseconds())/1000),
		slog.Int64("bytesOut", out.bytes),
	}
	for _, a := range []struct{ key, value string }{
		{"subject", rec.Subject}, {"issuer", rec.Issuer}, {"audit", rec.Audit}, {"reason", rec.Reason}, {"detail", rec.Detail},
	} {
		if a.value != "" {
			line = append(line, slog.String(a.key, a.value))
		}
	}
	if rec.UserCount > 0 {
		line = append(line, slog.Any("users", rec.Users), slog.Int("userCount", rec.UserCount))
	}
	level := slog.LevelInfo
	switch {
	case rec.Verdict == VerdictFailed:
		level = slog.LevelError
	case rec.Routine:
		level = slog.LevelDebug
	}
	r.log.LogAttrs(req.Context(), level, "request", line...)
}

// method keeps a made-up method out of the log.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodConnect, http.MethodTrace:
		return m
	}
	return "other"
}

// errClass keeps the number of labels small: OpenIM's codes come in hundreds, one for each subject.
func errClass(code int) string {
	switch {
	case code >= 0 && code < 2000:
		return strconv.Itoa(code/100) + "xx"
	case code >= 80000 && code < 100000:
		return strconv.Itoa(code/10000) + "xxxx"
	}
	return "other"
}

// meter notes status and size. The handlers behind it need no more of the writer than writing.
type meter struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (m *meter) WriteHeader(status int) {
	if m.status == 0 {
		m.status = status
	}
	m.ResponseWriter.WriteHeader(status)
}

func (m *meter) Write(p []byte) (int, error) {
	if m.status == 0 {
		m.status = http.StatusOK
	}
	n, err := m.ResponseWriter.Write(p)
	m.bytes += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (m *meter) Unwrap() http.ResponseWriter { return m.ResponseWriter }
