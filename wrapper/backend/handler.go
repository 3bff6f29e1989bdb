package backend

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// openimCaller is the part of openimclient.Client that administrators' calls need.
type openimCaller interface {
	Call(context.Context, openimclient.Request) (wire.Envelope, error)
}

// handler answers the gateway's requests.
type handler struct {
	assertions  *auth.Assertions
	proofs      proofVerifier
	openim      openimCaller
	concurrency *concurrency
	internal    *internalAPI // nil without users
	users       userRoutes   // nil without users
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httpserver.RecordOf(r.Context())
	w.Header()[wire.HeaderInstance] = []string{h.assertions.Instance()}
	w.Header()[wire.HeaderLink] = []string{h.assertions.Link().String()}
	reply, failure := h.answer(w, r, rec)
	setUserHeaders(w.Header(), rec)
	if failure != nil {
		if rec.Reason == "" {
			rec.Refuse(*failure, "")
		}
		w.Header().Set(wire.HeaderReason, failure.Name)
		w.Header().Set(wire.HeaderErrCode, strconv.Itoa(failure.ErrCode))
		wire.WriteFailure(w, *failure)
		return
	}
	if reply == nil { // the handshake
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header()[wire.HeaderErrCode] = []string{strconv.Itoa(reply.ErrCode)}
	wire.WriteEnvelope(w, http.StatusOK, *reply)
}

// setUserHeaders names the users that a call concerned in the reply's headers, for the gateway's audit log.
func setUserHeaders(header http.Header, rec *httpserver.Record) {
	if rec.UserCount == 0 {
		return
	}
	header[wire.HeaderUsers] = []string{wire.EncodeUsers(rec.Users)}
	header[wire.HeaderUserCount] = []string{strconv.Itoa(rec.UserCount)}
}

// answer checks, in this order, the kind of the path, the body's size, the assertion, the route, the role, the proof, the body and the
// concurrency limit, and then makes the call.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
	kind := kindOf(r.RequestURI)
	route, internal := routes.FindRequest(r.RequestURI, wire.AdminPrefix), findInternal(r.RequestURI)
	body, failure := h.readBody(w, r, kind, route, internal)
	if failure != nil {
		return nil, failure
	}
	principal, refusal := h.identify(r, rec.RequestID, body, h.repeatable(kind, r.Method, r.RequestURI, route, internal))
	if refusal != nil {
		failure := wire.Unauthenticated.Because("the assertion is not valid")
		switch {
		case refusal.OtherVersion():
			failure = wire.LinkVersion
		case refusal.Temporary():
			failure = wire.Unavailable.Because("the check for repeated calls is not available: try again after a second")
		}
		rec.Refuse(failure, refusal.Detail)
		rec.Reason = refusal.Label()
		return nil, &failure
	}
	rec.Subject, rec.Issuer = principal.Subject, principal.Issuer
	switch kind {
	case pingPath:
		rec.Route, rec.Verdict, rec.Routine = "handshake", httpserver.VerdictAllowed, true
		return nil, nil
	case internalPath:
		return h.answerInternal(r.Context(), internal, r, principal.Role, body, rec)
	case userPath:
		return h.answerUser(w, r, principal, body, rec)
	}
	return h.answerAdmin(w, r, route, principal, body, rec)
}

func (h *handler) answerAdmin(
	w http.ResponseWriter, r *http.Request, route *routes.Route, principal auth.Principal, body []byte, rec *httpserver.Record,
) (*wire.Envelope, *wire.Failure) {
	if route == nil {
		return nil, &wire.UnknownRoute
	}
	rec.Route, rec.Audit = route.Name(), string(route.Audit)
	if failure := routes.Permit(w.Header(), route, r.Method, principal.Role == auth.RoleAdmin); failure != nil {
		return nil, failure
	}
	if _, failure := h.proofs.verify(r.Context(), principal, r.Header.Get(wire.HeaderProof), rec); failure != nil {
		return nil, failure
	}
	if failure := inspect(route, body, rec); failure != nil {
		return nil, failure
	}
	release, ok := h.concurrency.acquire(route.Limit)
	if !ok {
		return nil, &wire.Busy
	}
	defer release()
	return h.call(r.Context(), route, body, rec)
}

// readBody reads the body within the route's limit. It also reads the body of an unknown path, because the assertion covers the body.
func (h *handler) readBody(
	w http.ResponseWriter, r *http.Request, kind pathKind, route *routes.Route, internal *internalRoute,
) ([]byte, *wire.Failure) {
	switch {
	case kind == pingPath:
		if r.Method != http.MethodGet || r.ContentLength != 0 {
			return nil, &wire.UnknownRoute
		}
		return nil, nil
	case kind == internalPath && internal != nil:
		return httpserver.ReadJSON(w, r, internal.body)
	case kind == userPath && h.users != nil:
		return h.users.readBody(w, r)
	case kind == adminPath && route != nil && route.Audience != routes.Nobody:
		return httpserver.ReadJSON(w, r, route.Body)
	}
	return httpserver.ReadJSON(w, r, routes.MaxBody)
}

func (h *handler) identify(r *http.Request, requestID string, body []byte, repeatable bool) (auth.Principal, *auth.Refusal) {
	token, present, ok := wire.Bearer(r.Header)
	if !ok {
		return auth.Principal{}, auth.NoToken(present)
	}
	call := auth.Call{Method: r.Method, Path: r.RequestURI, RequestID: requestID, Body: body, Proof: r.Header.Get(wire.HeaderProof)}
	return h.assertions.VerifyOnce(r.Context(), token, call, repeatable)
}

// inspect decodes the body strictly and records which users the call concerns.
func inspect(route *routes.Route, body []byte, rec *httpserver.Record) *wire.Failure {
	object, err := wire.DecodeObject(body)
	if err == nil {
		rec.Users, rec.UserCount, err = route.ActsOn(object)
	}
	if err == nil {
		err = route.CheckNew(object)
	}
	if err != nil {
		f := wire.BadRequest.Because("the body is refused: " + err.Error())
		return &f
	}
	return nil
}

func (h *handler) call(ctx context.Context, route *routes.Route, body []byte, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
	ctx, cancel := context.WithTimeout(ctx, route.Limit.Deadline)
	defer cancel()
	request := openimclient.Request{Path: route.Path, Body: body, RequestID: rec.RequestID, Repeatable: route.Repeatable}
	reply, err := h.openim.Call(ctx, request)
	if err != nil {
		f := openimFailure(err)
		rec.Refuse(f, err.Error())
		return nil, &f
	}
	rec.Verdict, rec.ErrCode = httpserver.VerdictAllowed, reply.ErrCode
	return &reply, nil
}

func openimFailure(err error) wire.Failure {
	switch {
	case errors.Is(err, openimclient.ErrNoToken):
		return wire.Unavailable.Because("OpenIM does not accept the wrapper's own credentials: see the backend's log")
	case errors.Is(err, openimclient.ErrUnavailable):
		return wire.Unavailable.Because("OpenIM cannot be reached: try again after a second")
	case errors.Is(err, openimclient.ErrTimeout):
		return wire.TimedOut.Because("OpenIM did not answer in time: check whether the call took effect before repeating it")
	case errors.Is(err, openimclient.ErrBroken):
		return wire.BadGateway.Because("the connection to OpenIM broke: check whether the call took effect before repeating it")
	case errors.Is(err, openimclient.ErrNoRoute):
		return wire.NotInRelease
	}
	return wire.BadGateway.Because("OpenIM gave no usable reply: see the backend's log")
}
