package gateway

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/serve"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// extraWait is what the gateway waits beyond the backend's own deadline, so that the backend's answer, which knows more,
// comes first.
const extraWait = 2 * time.Second

// backendClient passes requests to the backend.
type backendClient struct {
	up  *upstream.Client
	key auth.AssertionKey
	now func() time.Time
}

// pass sends one call and writes its reply.
func (b *backendClient) pass(w http.ResponseWriter, r *http.Request, route *policy.Route, principal auth.Principal, body []byte, rec *serve.Record) *wire.Failure {
	ctx, cancel := context.WithTimeout(r.Context(), route.Limit.Deadline+extraWait)
	defer cancel()
	reply, err := b.send(ctx, auth.Call{
		Principal: principal, Method: route.Method, Path: wire.AdminPrefix + route.Path, RequestID: rec.RequestID, Body: body,
	})
	if err != nil {
		f := failureOf(err)
		rec.Refuse(f, err.Error())
		return &f
	}
	if failure := note(reply, rec); failure != nil {
		return failure
	}
	h := w.Header()
	h.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	h.Set(wire.HeaderCacheControl, "no-store")
	h.Set(wire.HeaderNoSniff, "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	if seconds, err := strconv.Atoi(reply.Header.Get(wire.HeaderRetryAfter)); err == nil {
		h.Set(wire.HeaderRetryAfter, strconv.Itoa(seconds))
	}
	w.WriteHeader(reply.Status)
	_, _ = w.Write(reply.Body)
	return nil
}

func (b *backendClient) send(ctx context.Context, call auth.Call) (upstream.Reply, error) {
	assertion, err := auth.Assert(b.key, call, b.now())
	if err != nil {
		return upstream.Reply{}, fmt.Errorf("%w: %w", upstream.ErrNotSent, err)
	}
	header := http.Header{}
	header.Set(wire.HeaderAuthorization, wire.SchemeBearer+" "+assertion)
	header.Set(wire.HeaderRequestID, call.RequestID)
	if call.Body != nil {
		header.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	}
	return b.up.Do(ctx, call.Method, call.Path, header, call.Body)
}

// note takes the backend's word for what happened into the record, and refuses replies that cannot be the backend's.
func note(reply upstream.Reply, rec *serve.Record) *wire.Failure {
	unusable := func(detail string) *wire.Failure {
		rec.Refuse(wire.BadGateway, detail)
		return &wire.BadGateway
	}
	media, _, err := mime.ParseMediaType(reply.Header.Get(wire.HeaderContentType))
	if err != nil || media != wire.MediaTypeJSON {
		return unusable("the backend's reply is not JSON")
	}
	errCode, err := strconv.Atoi(reply.Header.Get(wire.HeaderErrCode))
	if err != nil {
		return unusable("the backend's reply does not tell its errCode")
	}
	if reply.Status == http.StatusOK {
		rec.Verdict, rec.ErrCode = serve.VerdictAllowed, errCode
		return nil
	}
	failure, known := wire.FailureNamed(reply.Header.Get(wire.HeaderReason))
	switch {
	case !known || failure.Status != reply.Status:
		return unusable(fmt.Sprintf("the backend answered HTTP status %d without a reason", reply.Status))
	case failure.Status == http.StatusUnauthorized:
		// The caller's own token was good: it is our two halves that do not agree.
		return unusable("the backend does not accept our assertion: compare the assertion keys and the nodes' clocks")
	}
	rec.Refuse(failure, "by the backend")
	rec.ErrCode = errCode
	return nil
}

// handshake proves that a backend is there and shares our key.
func (b *backendClient) handshake(ctx context.Context) error {
	reply, err := b.send(ctx, auth.Call{
		Principal: auth.Principal{Subject: "gateway", Issuer: "gateway"},
		Method:    http.MethodGet, Path: wire.HandshakePath, RequestID: wire.NewRequestID(),
	})
	if err != nil {
		return err
	}
	if reply.Status != http.StatusNoContent {
		return fmt.Errorf("it answers HTTP status %d: compare the assertion keys and the nodes' clocks", reply.Status)
	}
	return nil
}

func failureOf(err error) wire.Failure {
	switch {
	case errors.Is(err, upstream.ErrNotSent):
		return wire.Unavailable
	case errors.Is(err, upstream.ErrTimeout):
		return wire.TimedOut
	}
	return wire.BadGateway
}
