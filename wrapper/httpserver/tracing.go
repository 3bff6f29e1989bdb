package httpserver

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/openimstack/openim-operator/wrapper/config"
)

// Tracing is where spans are exported to.
type Tracing = config.Tracing

// ValidateTracing requires an http or https URL with a host, and a ratio.
func ValidateTracing(t Tracing, p *Problems) {
	if t.Endpoint != "" {
		u, err := url.Parse(t.Endpoint)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
			u.Fragment != "" {
			p.Add("tracing.endpoint", "write the URL of an OTLP/HTTP collector, such as http://collector.observability.svc:4318")
		}
	}
	if !(t.SampleRatio >= 0 && t.SampleRatio <= 1) {
		p.Add("tracing.sampleRatio", "write a number from 0 to 1")
	}
}

const (
	exportTimeout = 5 * time.Second
	exportEvery   = 5 * time.Second
	// spanQueue is how many spans wait for the collector. Further spans are dropped, so that no request waits for it.
	spanQueue = 2048
	spanBatch = 512
	// defaultTracePath is the path of the OTLP specification.
	defaultTracePath = "/v1/traces"
)

// Tracer creates and exports spans. A nil Tracer creates none and costs nothing.
type Tracer struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
}

// NewTracer returns nil if no endpoint is configured. It sends nothing.
func NewTracer(t Tracing, role, version string, log *slog.Logger) (*Tracer, error) {
	if t.Endpoint == "" {
		return nil, nil
	}
	endpoint := t.Endpoint
	if u, err := url.Parse(endpoint); err == nil && strings.Trim(u.Path, "/") == "" {
		endpoint = u.JoinPath(defaultTracePath).String()
	}
	exporter, err := otlptracehttp.New(context.Background(),
		otlptracehttp.WithEndpointURL(endpoint), otlptracehttp.WithTimeout(exportTimeout),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{Enabled: false}),
		otlptracehttp.WithProxy(func(*http.Request) (*url.URL, error) { return nil, nil }),
	)
	if err != nil {
		return nil, fmt.Errorf("creating the trace exporter: %w", err)
	}
	otel.SetErrorHandler(logRarely(log))
	provider := sdktrace.NewTracerProvider(
		// The backend continues the traces that the gateway samples, and no others.
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.TraceIDRatioBased(t.SampleRatio))),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "openim-wrapper-"+role), attribute.String("service.version", version))),
		sdktrace.WithRawSpanLimits(sdktrace.SpanLimits{AttributeCountLimit: 32, AttributeValueLengthLimit: 256, EventCountLimit: 8,
			LinkCountLimit: 1}),
		sdktrace.WithBatcher(exporter, sdktrace.WithMaxQueueSize(spanQueue), sdktrace.WithMaxExportBatchSize(spanBatch),
			sdktrace.WithBatchTimeout(exportEvery), sdktrace.WithExportTimeout(exportTimeout)),
	)
	return &Tracer{provider: provider, tracer: provider.Tracer("wrapper/httpserver")}, nil
}

// Run waits for the end of ctx, and then exports the remaining spans within a few seconds.
func (t *Tracer) Run(ctx context.Context) {
	<-ctx.Done()
	if t == nil {
		return
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), exportTimeout)
	defer cancel()
	_ = t.provider.Shutdown(end) // the error handler logs a collector that does not answer
}

// logRarely logs an exporter's errors at most once a minute.
func logRarely(log *slog.Logger) otel.ErrorHandlerFunc {
	var mu sync.Mutex
	var last time.Time
	return func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if !last.IsZero() && time.Since(last) < time.Minute {
			return
		}
		last = time.Now()
		log.Warn("exporting traces: spans are lost", "error", err.Error())
	}
}

// begin starts the span of a request. Only a trusted caller's traceparent is used: other callers could choose what is traced, and join
// their traces to those of others.
func (t *Tracer) begin(req *http.Request, trustCaller bool) (context.Context, trace.Span) {
	ctx := req.Context()
	if trustCaller {
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.HeaderCarrier(req.Header))
	}
	return t.tracer.Start(ctx, UnknownRoute, trace.WithSpanKind(trace.SpanKindServer))
}

// finish names the span and sets its attributes: names of the route table, numbers and the request identifier, and nothing of a user.
func (t *Tracer) finish(span trace.Span, req *http.Request, rec *Record, status int) {
	if span.IsRecording() {
		span.SetName(rec.Route)
		span.SetAttributes(
			attribute.String("http.request.method", method(req.Method)), attribute.String("http.route", rec.Route),
			attribute.Int("http.response.status_code", status), attribute.String("openim.verdict", rec.Verdict),
			attribute.Int("openim.err_code", rec.ErrCode), attribute.String("openim.request_id", rec.RequestID),
		)
		if rec.Reason != "" {
			span.SetAttributes(attribute.String("openim.reason", rec.Reason))
		}
		if rec.Verdict == VerdictFailed {
			span.SetStatus(codes.Error, rec.Reason)
		}
	}
	span.End()
}
