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
	IssueCode(ctx context.Context, in devices.Invitation, lives time.Duration, enrolled bool) (string, time.Time, error)
	OpenCode(ctx context.Context, id string) (devices.Opened, error)
	DropCodes(ctx context.Context, which internalapi.DropCodes) error
	Enrol(ctx context.Context, req internalapi.Enrol, prepare func(context.Context, devices.Invitation) error) (internalapi.Enrolled, error)
	Resolve(ctx context.Context, key internalapi.Key) (internalapi.Resolved, error)
	SpendHandshake(ctx context.Context, id string) (bool, error)
	Rotate(ctx context.Context, req internalapi.Rotate) (internalapi.Enrolled, error)
	ListDevices(ctx context.Context, userID string) ([]internalapi.Device, error)
	RevokeDevices(ctx context.Context, req internalapi.RevokeDevices) ([]internalapi.Device, error)
	SetUser(ctx context.Context, change internalapi.SetUser) (internalapi.User, error)
}

// tokens is the part of the token vault that calls need.
type tokens interface {
	Token(ctx context.Context, userID string, platformID int32, refused string) (tokenvault.Token, error)
	Drop(ctx context.Context, userID string, platformID int32) error
}

// people is the part of openimclient.Client that internal calls need.
type people interface {
	RegisterUser(ctx context.Context, u openimclient.User) error
	ForceLogout(ctx context.Context, userID string, platformID int32) error
	MembersOf(ctx context.Context, userID string, conversationIDs []string) ([]bool, error)
	ProfileOf(ctx context.Context, userID, groupID string) (openimclient.Profile, error)
}

// links answers the internal API: the gateway's calls besides OpenIM's routes.
type links struct {
	devices  deviceStore
	tokens   tokens
	openim   people
	heads    *heads
	sessions *session.Store
	login    *login.Service
	now      func() time.Time
	// adminUserID is OpenIM's administrator. Nobody can enrol under this id.
	adminUserID string
}

// linkRoute is one route of the internal API.
type linkRoute struct {
	path  string
	limit routes.Limit
	audit routes.Audit
	body  int64
	// harmless says that a second call has no further effect and reveals no secret.
	harmless bool
	proof    whose
	do       func(*links, context.Context, *asking, []byte) (any, error)
}

// asking is one internal call.
type asking struct {
	rec   *httpserver.Record
	asker *asker
	proof string
}

// Concurrency limits of the internal API, one for each class of routes, so that a flood of logins does not block the sockets' calls.
var (
	linkLogin  = routes.Limit{Name: "link-login", Deadline: internalapi.LoginDeadline, InFlight: 64}
	linkChange = routes.Limit{Name: "link-change", Deadline: 12 * time.Second, InFlight: 32}
	linkToken  = routes.Limit{Name: "link-token", Deadline: 8 * time.Second, InFlight: 256}
	linkRedeem = routes.Limit{Name: "link-redeem", Deadline: 4 * time.Second, InFlight: 128}
	linkAsk    = routes.Limit{Name: "link-ask", Deadline: 5 * time.Second, InFlight: 256}
)

var linkLimits = []routes.Limit{linkLogin, linkChange, linkToken, linkRedeem, linkAsk}

var linkRoutes = []linkRoute{
	{internalapi.PathLoginKeys, linkAsk, routes.AuditRead, routes.Small, true, ofNobody, asked((*links).loginKeys)},
	{internalapi.PathLoginStart, linkLogin, routes.AuditRead, routes.Small, false, ofNobody, asked((*links).startLogin)},
	{internalapi.PathLoginFinish, linkLogin, routes.AuditWrite, routes.Small, false, ofSomeone, asked((*links).finishLogin)},
	{internalapi.PathIssueTicket, linkAsk, routes.AuditWrite, routes.Small, false, ofUser, asked((*links).issueTicket)},
	{internalapi.PathRedeemTicket, linkRedeem, routes.AuditWrite, routes.Small, false, ofNobody, asked((*links).redeemTicket)},
	{internalapi.PathIssueCode, linkChange, routes.AuditWrite, routes.Small, false, ofEither, asked((*links).issueCode)},
	{internalapi.PathDropCodes, linkChange, routes.AuditWrite, routes.Small, true, ofNobody, asked((*links).dropCodes)},
	{internalapi.PathListDevices, linkAsk, routes.AuditPrivate, routes.Small, true, ofEither, asked((*links).listDevices)},
	{internalapi.PathRevokeDevices, linkChange, routes.AuditWrite, routes.Small, true, ofEither, asked((*links).revokeDevices)},
	{internalapi.PathSetUser, linkChange, routes.AuditWrite, routes.Small, false, ofAdmin, asked((*links).setUser)},
	{internalapi.PathOpenIMToken, linkToken, routes.AuditPrivate, routes.Small, false, ofSocket, asked((*links).token)},
	{internalapi.PathForceLogout, linkChange, routes.AuditWrite, routes.Small, true, ofNobody, asked((*links).forceLogout)},
	{internalapi.PathMembership, linkAsk, routes.AuditRead, routes.Large, true, ofSocket, asked((*links).membership)},
	{internalapi.PathSender, linkAsk, routes.AuditRead, routes.Small, true, ofSocket, asked((*links).sender)},
	{internalapi.PathRegisterHead, linkAsk, routes.AuditRead, routes.Small, true, ofNobody, asked((*links).registerHead)},
	{internalapi.PathListHeads, linkAsk, routes.AuditRead, routes.Small, true, ofAdmin, asked((*links).listHeads)},
}

// findLink returns the internal route of a target, as in the request line, or nil.
func findLink(target string) *linkRoute {
	i := slices.IndexFunc(linkRoutes, func(r linkRoute) bool { return r.path == target })
	if i < 0 {
		return nil
	}
	return &linkRoutes[i]
}

// name returns the route's label in logs and metrics.
func (r *linkRoute) name() string { return "link" + strings.TrimPrefix(r.path, internalapi.Prefix) }

// asked wraps an answer: it decodes the body strictly before it calls answer.
func asked[Q, A any](
	answer func(*links, context.Context, *asking, Q) (A, error),
) func(*links, context.Context, *asking, []byte) (any, error) {
	return func(l *links, ctx context.Context, call *asking, body []byte) (any, error) {
		var q Q
		if err := wire.DecodeStrict(body, &q); err != nil {
			return nil, wire.BadRequest.Because("the body is refused: " + err.Error())
		}
		return answer(l, ctx, call, q)
	}
}

// answerLink answers the internal API for the gateway's own role and no other. The proof names the caller for whom the gateway calls.
func (h *handler) answerLink(
	ctx context.Context, route *linkRoute, r *http.Request, role auth.Role, body []byte, rec *httpserver.Record,
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
	if h.links == nil {
		return nil, noUsers()
	}
	release, ok := h.budget.take(route.limit)
	if !ok {
		return nil, &wire.Busy
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, route.limit.Deadline)
	defer cancel()
	proof := r.Header.Get(wire.HeaderProof)
	caller, failure := h.proofs.ofLink(ctx, route.proof, proof, rec)
	if failure != nil {
		return nil, failure
	}
	if caller.Subject != "" {
		rec.Subject, rec.Issuer = caller.Subject, caller.Issuer
	}
	data, err := route.do(h.links, ctx, &asking{rec: rec, asker: caller, proof: proof}, body)
	if err != nil {
		f := failureOfLink(err)
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

// failureOfLink maps an error to the failure that the gateway receives. The error's own text goes to the log alone.
func failureOfLink(err error) wire.Failure {
	var own wire.Failure
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, devices.ErrTooManyCodes), errors.Is(err, devices.ErrTooManyDevices):
		return wire.Limited.Because(err.Error())
	case errors.Is(err, devices.ErrNoDevice), errors.Is(err, devices.ErrDisabled):
		return wire.Forbidden.Because(err.Error())
	case errors.Is(err, devices.ErrNobody):
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
	return failureOf(err)
}

// about records which user a call concerns.
func about(rec *httpserver.Record, userID string) {
	if userID != "" {
		rec.Users, rec.UserCount = []string{userID}, 1
	}
}

func bad(format string, args ...any) error {
	return wire.BadRequest.Because(fmt.Sprintf(format, args...))
}
