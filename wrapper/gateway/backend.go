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
func (b *backendClient) pass(x *exchange, route *routes.Route, prefix string, body []byte, media string) *wire.Failure {
	reply, failure := b.call(x, route.Limit, auth.Call{Method: route.Method, Path: prefix + route.Path, Body: body}, media)
	if failure != nil {
		return failure
	}
	x.forward(reply)
	return nil
}

// call makes one call for the caller of x within the time of a class, and notes what came of it.
func (b *backendClient) call(x *exchange, class routes.Limit, call auth.Call, media string) (upstream.Reply, *wire.Failure) {
	ctx, cancel := context.WithTimeout(x.r.Context(), class.Deadline+extraWait)
	defer cancel()
	call.Principal, call.RequestID, call.Proof = x.caller, x.rec.RequestID, x.proof
	reply, err := b.send(ctx, call, media)
	if err != nil {
		f := failureOf(err)
		x.rec.Refuse(f, err.Error())
		return upstream.Reply{}, &f
	}
	return reply, note(reply, x.rec)
}

// forward gives the backend's reply to the client. Of its headers only what a client needs goes along.
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
	if x.mild {
		x.status = mildStatus(x.status)
	}
	x.w.WriteHeader(x.status)
	_, _ = x.w.Write(reply.Body)
}

// send signs a call for the process that answered last on the connection it goes out on: that process alone accepts it, so that nobody
// else has to remember it. Where that is not known, or something in between hands calls to others, it is signed for any of them.
func (b *backendClient) send(ctx context.Context, call auth.Call, media string) (upstream.Reply, error) {
	reply, err := b.sendTo(ctx, &call, media, true)
	if err != nil || call.Instance == "" || reply.Status != http.StatusUnauthorized {
		return reply, err
	}
	if answered := reply.Header.Get(wire.HeaderInstance); answered == "" || answered == call.Instance {
		return reply, err
	}
	// It reached another process, which has refused it unseen.
	return b.sendTo(ctx, &call, media, false)
}

// sendTo leaves in call.Instance whom it was signed for.
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

// note takes the backend's word for what happened into the record, and refuses replies that cannot be the backend's.
func note(reply upstream.Reply, rec *httpserver.Record) *wire.Failure {
	unusable := func(detail string) *wire.Failure {
		rec.Refuse(wire.BadGateway, detail)
		return &wire.BadGateway
	}
	if reply.Header.Get(wire.HeaderContentType) != wire.MediaTypeJSON {
		return unusable("the backend's reply is not JSON")
	}
	errCode, err := strconv.Atoi(reply.Header.Get(wire.HeaderErrCode))
	if err != nil {
		return unusable("the backend's reply does not tell its errCode")
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
		// The credential was good here, and is no longer: it ended between two looks.
		failure = *over(errCode)
		rec.Refuse(failure, "by the backend")
		return &failure
	case failure.Status == http.StatusUnauthorized:
		// The caller's own token was good: it is our two halves that do not agree.
		return unusable("the backend does not accept our assertion: compare the assertion keys and the nodes' clocks")
	}
	rec.Refuse(failure, "by the backend")
	rec.ErrCode = errCode
	return nil
}

// over is what a caller hears whose credential the backend does not accept, with OpenIM's code for why.
func over(errCode int) *wire.Failure {
	f := wire.ProofRefused
	if wire.IsTokenError(errCode) {
		f = f.Coded(errCode)
	}
	return &f
}

// usersOf reads whom the backend found a call to be about.
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

// handshake proves that a backend is there and shares our key.
func (b *backendClient) handshake(ctx context.Context) error {
	reply, err := b.send(ctx, auth.Call{
		Principal: auth.Principal{Subject: "gateway", Issuer: "gateway"},
		Method:    http.MethodGet, Path: wire.HandshakePath, RequestID: wire.NewRequestID(),
	}, "")
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
