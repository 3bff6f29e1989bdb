package backend

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// caller is the part of openimclient.Client that administrators' calls need.
type caller interface {
	Call(context.Context, openimclient.Request) (wire.Envelope, error)
}

// handler answers the gateway's requests.
type handler struct {
	assertions *auth.Assertions
	proofs     proofs
	openim     caller
	budget     *budget
	links      *links     // nil without users
	users      userRoutes // nil without users
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rec := httpserver.RecordOf(r.Context())
	w.Header().Set(wire.HeaderInstance, h.assertions.Instance())
	reply, failure := h.answer(w, r, rec)
	tellUsers(w.Header(), rec)
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
	w.Header().Set(wire.HeaderErrCode, strconv.Itoa(reply.ErrCode))
	wire.WriteEnvelope(w, http.StatusOK, *reply)
}

// tellUsers names the users that a call concerned in the reply's headers, for the gateway's audit log.
func tellUsers(header http.Header, rec *httpserver.Record) {
	if rec.UserCount == 0 {
		return
	}
	list, err := json.Marshal(rec.Users)
	if err != nil {
		return
	}
	header.Set(wire.HeaderUsers, base64.RawURLEncoding.EncodeToString(list))
	header.Set(wire.HeaderUserCount, strconv.Itoa(rec.UserCount))
}

// answer checks, in this order, the kind of the path, the body's size, the assertion, the route, the role, the proof, the body and the
// concurrency limit, and then makes the call.
func (h *handler) answer(w http.ResponseWriter, r *http.Request, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
	d := doorOf(r.RequestURI)
	route, linked := routes.FindRequest(r.RequestURI, wire.AdminPrefix), findLink(r.RequestURI)
	body, failure := h.readBody(w, r, d, route, linked)
	if failure != nil {
		return nil, failure
	}
	principal, refusal := h.identify(r, rec.RequestID, body, h.harmless(d, r.Method, r.RequestURI, route, linked))
	if refusal != nil {
		failure := wire.Unauthenticated.Because("the assertion is not valid")
		if refusal.Temporary() {
			failure = wire.Unavailable.Because("the check for repeated calls is not available: try again after a second")
		}
		rec.Refuse(failure, refusal.Detail)
		rec.Reason = refusal.Label()
		return nil, &failure
	}
	rec.Subject, rec.Issuer = principal.Subject, principal.Issuer
	switch d {
	case handshakeDoor:
		rec.Route, rec.Verdict, rec.Routine = "handshake", httpserver.VerdictAllowed, true
		return nil, nil
	case linkDoor:
		return h.answerLink(r.Context(), linked, r, principal.Role, body, rec)
	case userDoor:
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
	if _, failure := h.proofs.of(r.Context(), principal, r.Header.Get(wire.HeaderProof), rec); failure != nil {
		return nil, failure
	}
	if failure := inspect(route, body, rec); failure != nil {
		return nil, failure
	}
	release, ok := h.budget.take(route.Limit)
	if !ok {
		return nil, &wire.Busy
	}
	defer release()
	return h.call(r.Context(), route, body, rec)
}

// readBody reads the body within the route's limit. It also reads the body of an unknown path, because the assertion covers the body.
func (h *handler) readBody(w http.ResponseWriter, r *http.Request, d door, route *routes.Route, linked *linkRoute) ([]byte, *wire.Failure) {
	switch {
	case d == handshakeDoor:
		if r.Method != http.MethodGet || r.ContentLength != 0 {
			return nil, &wire.UnknownRoute
		}
		return nil, nil
	case d == linkDoor && linked != nil:
		return httpserver.ReadJSON(w, r, linked.body)
	case d == userDoor && h.users != nil:
		return h.users.readBody(w, r)
	case d == adminDoor && route != nil && route.Audience != routes.Nobody:
		return httpserver.ReadJSON(w, r, route.Body)
	}
	return httpserver.ReadJSON(w, r, routes.MaxBody)
}

func (h *handler) identify(r *http.Request, requestID string, body []byte, harmless bool) (auth.Principal, *auth.Refusal) {
	token, present, ok := wire.Bearer(r.Header)
	if !ok {
		return auth.Principal{}, auth.NoToken(present)
	}
	call := auth.Call{Method: r.Method, Path: r.RequestURI, RequestID: requestID, Body: body, Proof: r.Header.Get(wire.HeaderProof)}
	return h.assertions.VerifyOnce(r.Context(), token, call, harmless)
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
	reply, err := h.openim.Call(ctx, openimclient.Request{Path: route.Path, Body: body, RequestID: rec.RequestID, Repeatable: route.Repeatable})
	if err != nil {
		f := failureOf(err)
		rec.Refuse(f, err.Error())
		return nil, &f
	}
	rec.Verdict, rec.ErrCode = httpserver.VerdictAllowed, reply.ErrCode
	return &reply, nil
}

func failureOf(err error) wire.Failure {
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
