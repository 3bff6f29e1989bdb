package gateway

import (
	"context"
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
	// link is the range of link versions that this gateway speaks.
	link auth.Link
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
	if isLinkVersion(reply) {
		x.rec.Refuse(wire.LinkVersion, b.noCommonVersion(reply))
		return reply, &wire.LinkVersion
	}
	return reply, recordReply(reply, x.rec)
}

// forward writes the backend's reply to the client. Of the backend's headers only Retry-After is passed on.
func (x *exchange) forward(reply upstream.Reply) {
	h := x.w.Header()
	wire.SetReplyHeaders(h, len(reply.Body))
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

// maxRefused is how often a refused call is sent again: once for another version of the link, once for another process.
const maxRefused = 2

// signing is how a call is signed.
type signing struct {
	// bind limits the call to the process that answered last on the connection.
	bind bool
	// version of the link for a connection whose process is unknown.
	version uint8
}

// send signs a call for the backend process that answered last on the connection, and with the highest version of the link that both
// speak. That process alone accepts the assertion, so no other process has to remember it. When the process is unknown, send starts with
// the lowest version. A process that refuses the version, and one to which a proxy moved the call, did no work: send signs the call again.
func (b *backendClient) send(ctx context.Context, call auth.Call, media string) (upstream.Reply, error) {
	how := signing{bind: true, version: b.link.Min}
	for refused := 0; ; refused++ {
		reply, err := b.sendTo(ctx, &call, media, how)
		if err != nil || refused == maxRefused || !b.adapt(&how, &call, reply) {
			return reply, err
		}
	}
}

// adapt changes how a refused call is signed. It reports whether the call must be sent again.
func (b *backendClient) adapt(how *signing, call *auth.Call, reply upstream.Reply) bool {
	if isLinkVersion(reply) {
		version, ok := b.common(reply.Header.Get(wire.HeaderLink))
		how.version = version
		return ok && version != call.Version
	}
	if call.Instance == "" || reply.Status != http.StatusUnauthorized {
		return false
	}
	answered := reply.Header.Get(wire.HeaderInstance)
	how.bind = false
	return answered != "" && answered != call.Instance
}

// common returns the highest version that gateway and backend speak. link is what the backend said of itself.
func (b *backendClient) common(link string) (version uint8, ok bool) {
	backend, ok := auth.ParseLink(link)
	if !ok {
		return 0, false
	}
	return b.link.Common(backend)
}

func isLinkVersion(reply upstream.Reply) bool {
	return reply.Status == wire.LinkVersion.Status && reply.Header.Get(wire.HeaderReason) == wire.LinkVersion.Name
}

// noCommonVersion returns the text for the log when gateway and backend speak no common version.
func (b *backendClient) noCommonVersion(reply upstream.Reply) string {
	return fmt.Sprintf("the backend reads link versions %.16q, and this gateway speaks %s: run releases that are at most one apart",
		reply.Header.Get(wire.HeaderLink), b.link)
}

// sendTo sends one call. It stores in call.Instance and call.Version what the call was signed for.
func (b *backendClient) sendTo(ctx context.Context, call *auth.Call, media string, how signing) (upstream.Reply, error) {
	header := http.Header{wire.HeaderRequestID: {call.RequestID}}
	if call.Body != nil {
		header[wire.HeaderContentType] = []string{media}
	}
	if call.Proof != "" {
		header[wire.HeaderProof] = []string{call.Proof}
	}
	return b.up.DoSigned(ctx, call.Method, call.Path, header, call.Body, func(header http.Header, peer upstream.Peer) error {
		call.Instance, call.Version = "", how.version
		if how.bind {
			call.Instance = peer.Name
		}
		if version, ok := b.common(peer.Link); ok {
			call.Version = version
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
	users = wire.DecodeUsers(h.Get(wire.HeaderUsers))
	if users == nil {
		return nil, 0
	}
	total, err := strconv.Atoi(h.Get(wire.HeaderUserCount))
	if err != nil {
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
	if isLinkVersion(reply) {
		return fmt.Errorf("checking the backend: %s", b.noCommonVersion(reply))
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
