package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/login"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// deviceStore is the part of devices.Registry that internal calls and logins need.
type deviceStore interface {
	IssueCode(ctx context.Context, in devices.Invitation, lifetime time.Duration, enrolled bool) (string, time.Time, error)
	OpenCode(ctx context.Context, id string) (devices.Opened, error)
	DropCodes(ctx context.Context, which internalapi.DropCodes) error
	Enrol(ctx context.Context, req devices.Enrolment, prepare func(context.Context, devices.Invitation) error) (devices.Enrolled, error)
	Resolve(ctx context.Context, key internalapi.Key) (devices.Holder, error)
	SpendHandshake(ctx context.Context, id string) (bool, error)
	Rotate(ctx context.Context, req devices.KeyRotation) (devices.Enrolled, error)
	ListDevices(ctx context.Context, userID string) ([]internalapi.Device, error)
	RevokeDevices(ctx context.Context, req internalapi.RevokeDevices) ([]internalapi.Device, error)
	SetUser(ctx context.Context, change internalapi.SetUser) (internalapi.User, error)
}

// tokenVault is the part of the token vault that calls need.
type tokenVault interface {
	Token(ctx context.Context, userID string, platformID int32, refused string) (tokenvault.Token, error)
	Drop(ctx context.Context, userID string, platformID int32) error
}

// openimUsers is the part of openimclient.Client that internal calls need.
type openimUsers interface {
	RegisterUser(ctx context.Context, u openimclient.User) error
	ForceLogout(ctx context.Context, userID string, platformID int32) error
	MembersOf(ctx context.Context, userID string, conversationIDs []string) ([]bool, error)
	ProfileOf(ctx context.Context, userID, groupID string) (openimclient.Profile, error)
}

// internalAPI answers the internal API: the gateway's calls besides OpenIM's routes.
type internalAPI struct {
	devices  deviceStore
	tokens   tokenVault
	openim   openimUsers
	heads    *heads
	sessions *session.Store
	login    *login.Service
	now      func() time.Time
	// adminUserID is OpenIM's administrator. Nobody can enrol under this id.
	adminUserID string
}

// internalRoute is one route of the internal API.
type internalRoute struct {
	path  string
	limit routes.Limit
	audit routes.Audit
	body  int64
	// repeatable says that a second call has no further effect and reveals no secret.
	repeatable bool
	proof      proofKind
	answer     func(*internalAPI, context.Context, *internalCall, []byte) (any, error)
}

// internalCall is one internal call.
type internalCall struct {
	rec    *httpserver.Record
	caller *provenCaller
	proof  string
}

// Concurrency limits of the internal API, one for each class of routes, so that a flood of logins does not block the sockets' calls.
var (
	loginLimit  = routes.Limit{Name: "link-login", Deadline: internalapi.LoginDeadline, InFlight: 64}
	changeLimit = routes.Limit{Name: "link-change", Deadline: 12 * time.Second, InFlight: 32}
	tokenLimit  = routes.Limit{Name: "link-token", Deadline: 8 * time.Second, InFlight: 256}
	redeemLimit = routes.Limit{Name: "link-redeem", Deadline: 4 * time.Second, InFlight: 128}
	queryLimit  = routes.Limit{Name: "link-ask", Deadline: 5 * time.Second, InFlight: 256}
)

var internalLimits = []routes.Limit{loginLimit, changeLimit, tokenLimit, redeemLimit, queryLimit}

var internalRoutes = []internalRoute{
	{internalapi.PathLoginKeys, queryLimit, routes.AuditRead, routes.Small, true, noProof, decoded((*internalAPI).loginKeys)},
	{internalapi.PathLoginStart, loginLimit, routes.AuditRead, routes.Small, false, noProof, decoded((*internalAPI).startLogin)},
	{internalapi.PathLoginFinish, loginLimit, routes.AuditWrite, routes.Small, false, optionalUserProof, decoded((*internalAPI).finishLogin)},
	{internalapi.PathIssueTicket, queryLimit, routes.AuditWrite, routes.Small, false, userProof, decoded((*internalAPI).issueTicket)},
	{internalapi.PathRedeemTicket, redeemLimit, routes.AuditWrite, routes.Small, false, noProof, decoded((*internalAPI).redeemTicket)},
	{internalapi.PathIssueCode, changeLimit, routes.AuditWrite, routes.Small, false, eitherProof, decoded((*internalAPI).issueCode)},
	{internalapi.PathDropCodes, changeLimit, routes.AuditWrite, routes.Small, true, noProof, decoded((*internalAPI).dropCodes)},
	{internalapi.PathListDevices, queryLimit, routes.AuditPrivate, routes.Small, true, eitherProof, decoded((*internalAPI).listDevices)},
	{internalapi.PathRevokeDevices, changeLimit, routes.AuditWrite, routes.Small, true, eitherProof, decoded((*internalAPI).revokeDevices)},
	{internalapi.PathSetUser, changeLimit, routes.AuditWrite, routes.Small, false, adminProof, decoded((*internalAPI).setUser)},
	{internalapi.PathOpenIMToken, tokenLimit, routes.AuditPrivate, routes.Small, false, socketProof, decoded((*internalAPI).token)},
	{internalapi.PathForceLogout, changeLimit, routes.AuditWrite, routes.Small, true, noProof, decoded((*internalAPI).forceLogout)},
	{internalapi.PathMembership, queryLimit, routes.AuditRead, routes.Large, true, socketProof, decoded((*internalAPI).membership)},
	{internalapi.PathSender, queryLimit, routes.AuditRead, routes.Small, true, socketProof, decoded((*internalAPI).sender)},
	{internalapi.PathRegisterHead, queryLimit, routes.AuditRead, routes.Small, true, noProof, decoded((*internalAPI).registerHead)},
	{internalapi.PathListHeads, queryLimit, routes.AuditRead, routes.Small, true, adminProof, decoded((*internalAPI).listHeads)},
}

// findInternal returns the internal route of a target, as in the request line, or nil.
func findInternal(target string) *internalRoute {
	i := slices.IndexFunc(internalRoutes, func(r internalRoute) bool { return r.path == target })
	if i < 0 {
		return nil
	}
	return &internalRoutes[i]
}

// name returns the route's label in logs and metrics.
func (r *internalRoute) name() string { return "link" + strings.TrimPrefix(r.path, internalapi.Prefix) }

// decoded wraps an answer: it decodes the body strictly before it calls answer.
func decoded[Q, A any](
	answer func(*internalAPI, context.Context, *internalCall, Q) (A, error),
) func(*internalAPI, context.Context, *internalCall, []byte) (any, error) {
	return func(l *internalAPI, ctx context.Context, call *internalCall, body []byte) (any, error) {
		var q Q
		if err := wire.DecodeStrict(body, &q); err != nil {
			return nil, wire.BadRequest.Because("the body is refused: " + err.Error())
		}
		return answer(l, ctx, call, q)
	}
}

// answerInternal answers the internal API for the gateway's own role and no other. The proof names the caller for whom the gateway calls.
func (h *handler) answerInternal(
	ctx context.Context, route *internalRoute, r *http.Request, role auth.Role, body []byte, rec *httpserver.Record,
) (*wire.Envelope, *wire.Failure) {
	switch {
	case role != auth.RoleGateway:
		return nil, &wire.Forbidden
	case route == nil:
		return nil, &wire.UnknownRoute
	case r.Method != http.MethodPost:
		return nil, &wire.WrongMethod
	}
	rec.Route, rec.Audit = route.name(), string(route.audit)
	if h.internal == nil {
		return nil, noUsers()
	}
	release, ok := h.concurrency.acquire(route.limit)
	if !ok {
		return nil, &wire.Busy
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, route.limit.Deadline)
	defer cancel()
	proof := r.Header.Get(wire.HeaderProof)
	caller, failure := h.proofs.verifyInternal(ctx, route.proof, proof, rec)
	if failure != nil {
		return nil, failure
	}
	if caller.Subject != "" {
		rec.Subject, rec.Issuer = caller.Subject, caller.Issuer
	}
	data, err := route.answer(h.internal, ctx, &internalCall{rec: rec, caller: caller, proof: proof}, body)
	if err != nil {
		f := internalFailure(err)
		rec.Refuse(f, err.Error())
		return nil, &f
	}
	out, err := json.Marshal(data)
	if err != nil {
		return nil, &wire.Internal
	}
	rec.Verdict = httpserver.VerdictAllowed
	return &wire.Envelope{Data: out}, nil
}

// internalFailure maps an error to the failure that the gateway receives. The error's own text goes to the log alone.
func internalFailure(err error) wire.Failure {
	var own wire.Failure
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, devices.ErrTooManyCodes), errors.Is(err, devices.ErrTooManyDevices):
		return wire.Limited.Because(err.Error())
	case errors.Is(err, devices.ErrNoDevice), errors.Is(err, devices.ErrDisabled):
		return wire.Forbidden.Because(err.Error())
	case errors.Is(err, devices.ErrNoSelector):
		return wire.BadRequest.Because(err.Error())
	case errors.Is(err, devices.ErrUnavailable):
		return wire.Unavailable.Because("the device registry cannot be used now: try again after a second")
	case errors.Is(err, tokenvault.ErrUnavailable):
		return wire.Unavailable.Because("the user's OpenIM token cannot be had now: try again after a second")
	case errors.Is(err, session.ErrUnavailable):
		return wire.Unavailable.Because("sessions cannot be used now: try again after a second")
	case errors.Is(err, openimclient.ErrNoUser):
		return wire.Forbidden.Because("OpenIM refuses a token for this user")
	}
	return openimFailure(err)
}

// recordUser records which user a call concerns.
func recordUser(rec *httpserver.Record, userID string) {
	if userID != "" {
		rec.Users, rec.UserCount = []string{userID}, 1
	}
}

func bad(format string, args ...any) error {
	return wire.BadRequest.Because(fmt.Sprintf(format, args...))
}
