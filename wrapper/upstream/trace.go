package upstream

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Propagate makes the client send the trace context of a request (W3C traceparent). It is for the gateway's client to the backend. OpenIM
// is sent nothing that it does not need.
func (c *Client) Propagate() *Client {
	c.propagate = true
	return c
}

// span starts the span of one request if the context's trace is recorded; otherwise it costs nothing. The span has the name of the host
// and no path: the surrounding span has the route's name.
func (c *Client) span(ctx context.Context, r *request) (context.Context, func(status int, err error)) {
	around := trace.SpanFromContext(ctx)
	if !around.SpanContext().IsValid() {
		return ctx, func(int, error) {}
	}
	end := func(int, error) {}
	if around.IsRecording() {
		var span trace.Span
		ctx, span = around.TracerProvider().Tracer("wrapper/upstream").Start(ctx, r.method+" "+c.name,
			trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(attribute.String("http.request.method", r.method), attribute.String("server.address", c.name)))
		end = func(status int, err error) {
			if status != 0 {
				span.SetAttributes(attribute.Int("http.response.status_code", status))
			}
			if err != nil {
				span.SetStatus(codes.Error, err.Error()) // errors of this package, which contain nothing of the request
			}
			span.End()
		}
	}
	if c.propagate {
		propagation.TraceContext{}.Inject(ctx, propagation.HeaderCarrier(r.add()))
	}
	return ctx, end
}
