package httpserver

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/openimstack/openim-operator/wrapper/upstream"
)

const forged = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// traced returns a tracer and a function that returns its ended spans.
func traced(t *testing.T, ratio float64) (*Tracer, func() []sdktrace.ReadOnlySpan) {
	t.Helper()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio))),
		sdktrace.WithSpanProcessor(spans))
	return &Tracer{provider: provider, tracer: provider.Tracer("test")}, spans.Ended
}

func quiet() *Recorder {
	return NewRecorder(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), time.Now)
}

func TestASpanHasTheRoutesNameAndNothingOfAUser(t *testing.T) {
	g := NewWithT(t)
	tracer, spans := traced(t, 1)
	req := httptest.NewRequest(http.MethodPost, "/im/v1/friend/add_friend/secret-in-path?token=secret-in-query",
		strings.NewReader("secret-in-body"))
	req.Header.Set("Token", "secret-in-header")
	req.Header.Set("X-Request-Id", "r-1")
	quiet().Trace(tracer, false).Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := RecordOf(r.Context())
		rec.Route, rec.Subject, rec.Issuer, rec.Users, rec.UserCount = "friend/add_friend", "alice-the-user", "an-issuer",
			[]string{"bob-the-user"}, 1
		rec.Verdict, rec.Reason, rec.Detail, rec.ErrCode = VerdictFailed, "unavailable", "secret-in-detail", 500
		w.WriteHeader(http.StatusServiceUnavailable)
	})).ServeHTTP(httptest.NewRecorder(), req)
	g.Expect(spans()).To(HaveLen(1))
	span := spans()[0]
	g.Expect(span.Name()).To(Equal("friend/add_friend"))
	g.Expect(span.Attributes()).To(ConsistOf(
		attribute.String("http.request.method", "POST"), attribute.String("http.route", "friend/add_friend"),
		attribute.Int("http.response.status_code", 503),
		attribute.String("openim.verdict", "failed"), attribute.String("openim.reason", "unavailable"),
		attribute.Int("openim.err_code", 500), attribute.String("openim.request_id", "r-1"),
	), "no user, no path, no body, no header")
	g.Expect(span.Status().Description).To(Equal("unavailable"))
}

func TestUntrustedCallersNeitherChooseWhatIsTracedNorJoinATrace(t *testing.T) {
	g := NewWithT(t)
	for _, c := range []struct {
		ratio   float64
		trusted bool
		want    int
		joins   bool
	}{
		{0, false, 0, false}, // not sampled, though the header says so
		{1, false, 1, false}, // sampled, in a new trace
		{0, true, 1, true},   // from the gateway
	} {
		tracer, spans := traced(t, c.ratio)
		req := httptest.NewRequest(http.MethodPost, "/", nil)
		req.Header.Set("Traceparent", forged)
		quiet().Trace(tracer, c.trusted).Wrap(http.HandlerFunc(func(http.ResponseWriter,
			*http.Request) {
		})).ServeHTTP(httptest.NewRecorder(), req)
		g.Expect(spans()).To(HaveLen(c.want))
		if c.want == 1 {
			joins := spans()[0].SpanContext().TraceID().String() == forged[3:35]
			g.Expect(joins).To(Equal(c.joins))
			g.Expect(spans()[0].Links()).To(BeEmpty())
		}
	}
}

func TestATraceGoesFromGatewayToBackendAndNoFurther(t *testing.T) {
	g := NewWithT(t)
	gatewayTracer, gatewaySpans := traced(t, 1)
	backendTracer, backendSpans := traced(t, 0)
	openim := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		g.Expect(r.Header).NotTo(HaveKey("Traceparent"), "OpenIM receives no trace context")
	}))
	defer openim.Close()
	toOpenIM := upstream.New(openim.URL)
	backend := httptest.NewServer(quiet().Trace(backendTracer, true).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := toOpenIM.Do(r.Context(), http.MethodPost, "/user/x", http.Header{}, nil)
		g.Expect(err).NotTo(HaveOccurred())
	})))
	defer backend.Close()
	toBackend := upstream.New(backend.URL).Propagate()
	quiet().Trace(gatewayTracer, false).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := toBackend.Do(r.Context(), http.MethodPost, "/admin/v1/user/x", nil, nil)
		g.Expect(err).NotTo(HaveOccurred())
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))

	g.Eventually(backendSpans).Should(HaveLen(2), "the backend's own ratio does not apply")
	all := append(gatewaySpans(), backendSpans()...)
	g.Expect(all).To(HaveLen(4))
	ids := map[trace.TraceID]bool{}
	parents := map[trace.SpanID]trace.SpanKind{}
	for _, s := range all {
		ids[s.SpanContext().TraceID()] = true
		parents[s.SpanContext().SpanID()] = s.SpanKind()
	}
	g.Expect(ids).To(HaveLen(1), "one trace")
	for _, s := range all {
		if s.SpanKind() == trace.SpanKindClient {
			g.Expect(s.Name()).To(Equal("POST 127.0.0.1"))
			g.Expect(parents[s.Parent().SpanID()]).To(Equal(trace.SpanKindServer))
		}
	}
}

// collector is an OTLP/HTTP endpoint.
type collector struct {
	mu    sync.Mutex
	paths []string
	bytes int
}

func (c *collector) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.paths, c.bytes = append(c.paths, r.URL.Path), c.bytes+len(body)
}

func run(tracer *Tracer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { tracer.Run(ctx); close(ended) }()
	return func() { cancel(); <-ended }
}

func once(tracer *Tracer) {
	quiet().Trace(tracer, false).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
}

func TestSpansAreExportedBeforeTheEnd(t *testing.T) {
	g := NewWithT(t)
	var c collector
	server := httptest.NewServer(&c)
	defer server.Close()
	tracer, err := NewTracer(Tracing{Endpoint: server.URL, SampleRatio: 1}, "gateway", "v1", slog.New(slog.DiscardHandler))
	g.Expect(err).NotTo(HaveOccurred())
	stop := run(tracer)
	once(tracer)
	stop()
	g.Expect(c.paths).To(Equal([]string{"/v1/traces"}))
	g.Expect(c.bytes).To(BeNumerically(">", 100))
}

// shared is a log that the exporter's goroutine may write while the test reads it.
type shared struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *shared) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestACollectorThatIsDownDelaysNoRequest(t *testing.T) {
	hang := make(chan struct{})
	stuck := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hang:
		case <-r.Context().Done():
		}
	}))
	defer stuck.Close()
	defer close(hang)
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, url := range map[string]string{"refuses": gone.URL, "hangs": stuck.URL} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			var log shared
			tracer, err := NewTracer(Tracing{Endpoint: url, SampleRatio: 1}, "gateway", "v1", slog.New(slog.NewJSONHandler(&log, nil)))
			g.Expect(err).NotTo(HaveOccurred())
			stop := run(tracer)
			h := quiet().Trace(tracer, false).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
			longest := time.Duration(0)
			for range 3 * spanQueue {
				began := time.Now()
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
				longest = max(longest, time.Since(began))
			}
			g.Expect(longest).To(BeNumerically("<", exportTimeout/2), "no request waits; spans beyond the queue are dropped")
			began := time.Now()
			stop()
			g.Expect(time.Since(began)).To(BeNumerically("<", 3*exportTimeout), "a stop takes a few seconds at most")
			g.Expect(strings.Count(log.String(), "spans are lost")).To(BeNumerically("<=", 1))
		})
	}
}

func TestWithoutAnEndpointThereAreNoTraces(t *testing.T) {
	g := NewWithT(t)
	tracer, err := NewTracer(Tracing{}, "gateway", "v1", slog.New(slog.DiscardHandler))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tracer).To(BeNil())
	run(tracer)()
	once(tracer)
	quiet().Trace(nil, true).Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		g.Expect(trace.SpanContextFromContext(r.Context()).IsValid()).To(BeFalse(), "no trace context")
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", nil))
}

func TestValidationOfTracingAndDebug(t *testing.T) {
	for _, c := range []struct {
		tracing Tracing
		debug   Debug
		says    string
	}{
		{Tracing{}, Debug{}, ""},
		{Tracing{Endpoint: "http://collector:4318", SampleRatio: 0.5}, Debug{Listen: "127.0.0.1:6060"}, ""},
		{Tracing{Endpoint: "https://collector.example.com/v1/traces", SampleRatio: 1}, Debug{Listen: "[::1]:6060"}, ""},
		{Tracing{Endpoint: "collector:4318", SampleRatio: 0}, Debug{}, "tracing.endpoint: write the URL"},
		{Tracing{Endpoint: "http://user:password@collector:4318", SampleRatio: 0}, Debug{}, "tracing.endpoint: write the URL"},
		{Tracing{Endpoint: "http://collector:4318", SampleRatio: 1.01}, Debug{}, "tracing.sampleRatio: write a number from 0 to 1"},
		{Tracing{Endpoint: "http://collector:4318", SampleRatio: -0.1}, Debug{}, "tracing.sampleRatio"},
		{Tracing{}, Debug{Listen: ":6060"}, "debug.listen: write an address of the loopback interface"},
		{Tracing{}, Debug{Listen: "0.0.0.0:6060"}, "debug.listen"},
		{Tracing{}, Debug{Listen: "localhost:6060"}, "debug.listen"},
		{Tracing{}, Debug{Listen: "10.0.0.1:6060"}, "debug.listen"},
		{Tracing{}, Debug{Listen: "127.0.0.1"}, "debug.listen"},
	} {
		var p Problems
		ValidateTracing(c.tracing, &p)
		ValidateDebug(c.debug, &p)
		if c.says == "" {
			NewWithT(t).Expect(p.Err()).NotTo(HaveOccurred())
			continue
		}
		NewWithT(t).Expect(p.Err()).To(MatchError(ContainSubstring(c.says)))
	}
}
