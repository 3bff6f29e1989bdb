package httpserver

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Values of Record.Verdict.
const (
	VerdictAllowed = "allowed" // passed on to OpenIM, whatever OpenIM replied
	VerdictRefused = "refused" // refused by the wrapper because of the request
	VerdictFailed  = "failed"  // failed because of a server behind the wrapper
)

// UnknownRoute is the route label of all paths outside the route table, so that callers cannot create new labels.
const UnknownRoute = "unknown"

// Record holds the fields that a handler sets for the request's log line and metrics.
type Record struct {
	RequestID string
	Route     string // a name of the route table
	Subject   string
	Issuer    string
	Audit     string
	Verdict   string
	Reason    string // a fixed word; empty when allowed
	Detail    string // for the log only
	ErrCode   int
	Users     []string // the users whom the body names
	UserCount int
	// Routine marks a successful periodic request. It is counted, but logged at the debug level only.
	Routine bool
}

// Refuse records a failure with which the wrapper replies.
func (r *Record) Refuse(f wire.Failure, detail string) {
	r.Verdict, r.Reason, r.Detail, r.ErrCode = VerdictRefused, f.Name, detail, f.ErrCode
	if f.Status >= http.StatusInternalServerError {
		r.Verdict = VerdictFailed
	}
}

type recordKey struct{}

// RecordOf returns the request's record. Outside Recorder.Wrap it returns a record that is not logged.
func RecordOf(ctx context.Context) *Record {
	if r, ok := ctx.Value(recordKey{}).(*Record); ok {
		return r
	}
	return &Record{}
}

// Recorder writes one log line and one set of metrics for each request.
type Recorder struct {
	log         *slog.Logger
	now         func() time.Time
	requests    *prometheus.CounterVec
	refused     *prometheus.CounterVec
	errCodes    *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	inFlight    prometheus.Gauge
	kept        sync.Map // *kept by answers
	tracer      *Tracer
	trustCaller bool
}

// Trace records a span for each request. trustCaller continues the trace of the caller's traceparent header: only the backend sets it,
// whose callers are gateways. A nil Tracer changes nothing.
func (r *Recorder) Trace(t *Tracer, trustCaller bool) *Recorder {
	r.tracer, r.trustCaller = t, trustCaller
	return r
}

// NewRecorder returns a Recorder and registers its metrics on reg.
func NewRecorder(log *slog.Logger, reg prometheus.Registerer, now func() time.Time) *Recorder {
	r := &Recorder{log: log, now: now,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_requests_total", Help: "Requests answered, by route of the table, HTTP status and verdict.",
		}, []string{"route", "status", "verdict"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_refusals_total", Help: "Requests refused or failed by the wrapper itself, by reason.",
		}, []string{"reason"}),
		errCodes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_reply_errors_total",
			Help: "Replies with an errCode other than 0, by route and by class of OpenIM's codes.",
		}, []string{"route", "class"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "openim_wrapper_request_duration_seconds", Help: "Time from the end of the request's header to the end of the reply.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20},
		}, []string{"route"}),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "openim_wrapper_requests_in_flight", Help: "Requests in progress.",
		}),
	}
	reg.MustRegister(r.requests, r.refused, r.errCodes, r.duration, r.inFlight)
	return r
}

// Wrap returns a handler that gives each request an identifier and a record, and turns a panic into a reply.
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
			ctx, span = r.tracer.begin(req.WithContext(ctx), r.trustCaller)
		}
		defer func() {
			r.inFlight.Dec()
			if p := recover(); p != nil {
				// The panic's value can contain secrets, so that it is not logged.
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
	r.count(rec, out.status, took)
	if rec.Reason != "" {
		r.refused.WithLabelValues(rec.Reason).Inc()
	}
	if rec.ErrCode != wire.CodeOK {
		r.errCodes.WithLabelValues(rec.Route, errClass(rec.ErrCode)).Inc()
	}
	peer, _, _ := net.SplitHostPort(req.RemoteAddr)
	level := slog.LevelInfo
	switch {
	case rec.Verdict == VerdictFailed:
		level = slog.LevelError
	case rec.Routine:
		level = slog.LevelDebug
	}
	if !r.log.Enabled(req.Context(), level) {
		return
	}
	var few [maxAttrs]slog.Attr
	line := append(few[:0],
		slog.String("requestID", rec.RequestID), slog.String("peer", peer), slog.String("method", method(req.Method)),
		slog.String("route", rec.Route), slog.String("verdict", rec.Verdict), slog.Int("status", out.status),
		slog.Int("errCode", rec.ErrCode), slog.Float64("milliseconds", float64(took.Microseconds())/1000),
		slog.Int64("bytesOut", out.bytes),
	)
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
	// Logger.LogAttrs would look up its caller's position in the program, which the log does not show.
	entry := slog.NewRecord(time.Now(), level, "request", 0)
	entry.AddAttrs(line...)
	_ = r.log.Handler().Handle(req.Context(), entry) // a log that cannot be written cannot report its own failure
}

// maxAttrs is how many attributes a line has at most.
const maxAttrs = 16

// answers identifies the metrics of a request. Its values are of fixed sets, so that the kept metrics are few.
type answers struct {
	route, verdict string
	status         int
}

// kept are the metrics of one kind of answer. Looking them up by their labels costs more than counting.
type kept struct {
	requests prometheus.Counter
	duration prometheus.Observer
}

func (r *Recorder) count(rec *Record, status int, took time.Duration) {
	key := answers{rec.Route, rec.Verdict, status}
	found, ok := r.kept.Load(key)
	if !ok {
		found, _ = r.kept.LoadOrStore(key, &kept{
			requests: r.requests.WithLabelValues(rec.Route, strconv.Itoa(status), rec.Verdict),
			duration: r.duration.WithLabelValues(rec.Route),
		})
	}
	metrics := found.(*kept)
	metrics.requests.Inc()
	metrics.duration.Observe(took.Seconds())
}

// method returns the request's method, or "other" for a method that HTTP does not define.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions,
		http.MethodConnect, http.MethodTrace:
		return m
	}
	return "other"
}

// errClass returns a label for an errCode. It keeps the number of labels small: OpenIM uses a range of a hundred codes for each subject.
func errClass(code int) string {
	switch {
	case code >= 0 && code < 2000:
		return strconv.Itoa(code/100) + "xx"
	case code >= 80000 && code < 100000:
		return strconv.Itoa(code/10000) + "xxxx"
	}
	return "other"
}

// meter records the status and the size of a reply. The handlers use no method of the writer but Write, WriteHeader and Unwrap.
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
