package gateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// replyMargin is how much longer than the backend's own deadline the gateway waits, so that the backend's answer, which names the
// cause, arrives before the gateway gives up.
const replyMargin = 2 * time.Second

// backendClient sends requests to the backend.
type backendClient struct {
	up  *upstream.Client
	key auth.AssertionKey
	now func() time.Time
}

// pass sends one call to the backend and writes its reply to the client.
func (b *backendClient) pass(x *exchange, route *routes.Route, prefix string, body []byte, media string) *wire.Failure {
	reply, failure := b.call(x, route.Limit, auth.Call{Method: route.Method, Path: prefix + route.Path, Body: body}, media)
	if failure != nil {
		return failure
	}
	x.forward(reply)
	return nil
}

// call makes one call for the caller of x within the deadline of class, and records the result.
func (b *backendClient) call(x *exchange, class routes.Limit, call auth.Call, media string) (upstream.Reply, *wire.Failure) {
	ctx, cancel := context.WithTimeout(x.r.Context(), class.Deadline+replyMargin)
	defer cancel()
	call.Principal, call.RequestID, call.Proof = x.caller, x.rec.RequestID, x.proof
	reply, err := b.send(ctx, call, media)
	if err != nil {
		f := failureOf(err)
		x.rec.Refuse(f, err.Error())
		return upstream.Reply{}, &f
	}
	return reply, recordReply(reply, x.rec)
}

// forward writes the backend's reply to the client. Of the backend's headers only Retry-After is passed on.
func (x *exchange) forward(reply upstream.Reply) {
	h := x.w.Header()
	h.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	h.Set(wire.HeaderCacheControl, "no-store")
	h.Set(wire.HeaderNoSniff, "nosniff")
	h.Set("Content-Length", strconv.Itoa(len(reply.Body)))
	if seconds, err := strconv.Atoi(reply.Header.Get(wire.HeaderRetryAfter)); err == nil {
		h.Set(wire.HeaderRetryAfter, strconv.Itoa(seconds))
	}
	x.status = reply.Status
	if x.errorsInEnvelope {
		x.status = envelopeStatus(x.status)
	}
	x.w.WriteHeader(x.status)
	_, _ = x.w.Write(reply.Body)
}

// send signs a call for the backend process that answered last on the connection. That process alone accepts the assertion, so no
// other process has to remember it. When the process is unknown, or a proxy moves the call to another process, send signs the call
// again for any process.
func (b *backendClient) send(ctx context.Context, call auth.Call, media string) (upstream.Reply, error) {
	reply, err := b.sendTo(ctx, &call, media, true)
	if err != nil || call.Instance == "" || reply.Status != http.StatusUnauthorized {
		return reply, err
	}
	if answered := reply.Header.Get(wire.HeaderInstance); answered == "" || answered == call.Instance {
		return reply, err
	}
	// Another process received the call and rejected it before it did any work.
	return b.sendTo(ctx, &call, media, false)
}

// sendTo sends one call. It stores in call.Instance the process that the call was signed for.
func (b *backendClient) sendTo(ctx context.Context, call *auth.Call, media string, bind bool) (upstream.Reply, error) {
	header := http.Header{wire.HeaderRequestID: {call.RequestID}}
	if call.Body != nil {
		header[wire.HeaderContentType] = []string{media}
	}
	if call.Proof != "" {
		header[wire.HeaderProof] = []string{call.Proof}
	}
	return b.up.DoSigned(ctx, call.Method, call.Path, header, call.Body, func(header http.Header, peer string) error {
		call.Instance = ""
		if bind {
			call.Instance = peer
		}
		assertion, err := auth.Assert(b.key, *call, b.now())
		if err != nil {
			return err
		}
		header[wire.HeaderAuthorization] = []string{wire.SchemeBearer + " " + assertion}
		return nil
	})
}

// recordReply records what the backend reports in the request's record, and rejects replies that cannot be the backend's.
func recordReply(reply upstream.Reply, rec *httpserver.Record) *wire.Failure {
	unusable := func(detail string) *wire.Failure {
		rec.Refuse(wire.BadGateway, detail)
		return &wire.BadGateway
	}
	if reply.Header.Get(wire.HeaderContentType) != wire.MediaTypeJSON {
		return unusable("the backend's reply is not JSON")
	}
	errCode, err := strconv.Atoi(reply.Header.Get(wire.HeaderErrCode))
	if err != nil {
		return unusable("the backend's reply has no errCode header")
	}
	rec.Users, rec.UserCount = usersOf(reply.Header)
	if reply.Status == http.StatusOK {
		rec.Verdict, rec.ErrCode = httpserver.VerdictAllowed, errCode
		return nil
	}
	failure, known := wire.FailureNamed(reply.Header.Get(wire.HeaderReason))
	switch {
	case !known || failure.Status != reply.Status:
		return unusable(fmt.Sprintf("the backend answered HTTP status %d without a reason", reply.Status))
	case failure.Name == wire.ProofRefused.Name:
		// The credential was valid when the gateway checked it and ended before the backend checked it.
		failure = *proofFailure(errCode)
		rec.Refuse(failure, "by the backend")
		return &failure
	case failure.Status == http.StatusUnauthorized:
		// The caller's own token was valid: gateway and backend disagree about the assertion.
		return unusable("the backend rejects the gateway's assertion: compare the assertion keys and the nodes' clocks")
	}
	rec.Refuse(failure, "by the backend")
	rec.ErrCode = errCode
	return nil
}

// proofFailure returns the failure for a credential that the backend rejects, with OpenIM's code for the reason.
func proofFailure(errCode int) *wire.Failure {
	f := wire.ProofRefused
	if wire.IsTokenError(errCode) {
		f = f.Coded(errCode)
	}
	return &f
}

// usersOf reads the header in which the backend names the users that a call concerned.
func usersOf(h http.Header) (users []string, total int) {
	text, err := base64.RawURLEncoding.DecodeString(h.Get(wire.HeaderUsers))
	if err != nil || json.Unmarshal(text, &users) != nil {
		return nil, 0
	}
	if total, err = strconv.Atoi(h.Get(wire.HeaderUserCount)); err != nil {
		total = len(users)
	}
	return users, total
}

// ping checks that a backend answers and has the same assertion key.
func (b *backendClient) ping(ctx context.Context) error {
	reply, err := b.send(ctx, auth.Call{
		Principal: auth.Principal{Subject: "gateway", Issuer: "gateway"},
		Method:    http.MethodGet, Path: wire.HandshakePath, RequestID: wire.NewRequestID(),
	}, "")
	if err != nil {
		return err
	}
	if reply.Status != http.StatusNoContent {
		return fmt.Errorf("checking the backend: HTTP status %d: compare the assertion keys and the nodes' clocks", reply.Status)
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
