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
	"github.com/openimstack/openim-operator/wrapper/custody"
	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/login"
	"github.com/openimstack/openim-operator/wrapper/openimapi"
	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/registry"
	"github.com/openimstack/openim-operator/wrapper/serve"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// devices is the part of registry.Registry that calls and logins need.
type devices interface {
	IssueCode(ctx context.Context, in registry.Invitation, lives time.Duration, enrolled bool) (string, time.Time, error)
	OpenCode(ctx context.Context, id string) (registry.Opened, error)
	DropCodes(ctx context.Context, which link.DropCodes) error
	Enrol(ctx context.Context, req link.Enrol, prepare func(context.Context, registry.Invitation) error) (link.Enrolled, error)
	Resolve(ctx context.Context, key link.Key) (link.Resolved, error)
	SpendHandshake(ctx context.Context, id string) (bool, error)
	Rotate(ctx context.Context, req link.Rotate) (link.Enrolled, error)
	ListDevices(ctx context.Context, userID string) ([]link.Device, error)
	RevokeDevices(ctx context.Context, req link.RevokeDevices) ([]link.Device, error)
	SetUser(ctx context.Context, change link.SetUser) (link.User, error)
}

// tokens is the part of custody.Custody that calls need.
type tokens interface {
	Token(ctx context.Context, userID string, platformID int32, refused string) (custody.Token, error)
	Drop(ctx context.Context, userID string, platformID int32) error
}

// people is the part of openimapi.Client that the gateway's calls need.
type people interface {
	RegisterUser(ctx context.Context, u openimapi.User) error
	ForceLogout(ctx context.Context, userID string, platformID int32) error
	MembersOf(ctx context.Context, userID string, conversationIDs []string) ([]bool, error)
	ProfileOf(ctx context.Context, userID, groupID string) (openimapi.Profile, error)
}

// links answers what the gateway asks beside OpenIM's routes.
type links struct {
	devices  devices
	tokens   tokens
	openim   people
	heads    *heads
	sessions *session.Store
	login    *login.Service
	now      func() time.Time
	// adminUserID is OpenIM's administrator: nobody enrols under that id.
	adminUserID string
}

// linkRoute is one row of what the gateway may ask.
type linkRoute struct {
	path  string
	limit policy.Limit
	audit policy.Audit
	body  int64
	// harmless: a second time does no more than the first, and tells no secret.
	harmless bool
	proof    whose
	do       func(*links, context.Context, *asking, []byte) (any, error)
}

// asking is one call of the gateway's on its way.
type asking struct {
	rec   *serve.Record
	asker *asker
	proof string
}

// The classes of the gateway's calls. A flood of logins must not keep the sockets' questions out.
var (
	linkLogin  = policy.Limit{Name: "link-login", Deadline: link.LoginDeadline, InFlight: 64}
	linkChange = policy.Limit{Name: "link-change", Deadline: 12 * time.Second, InFlight: 32}
	linkToken  = policy.Limit{Name: "link-token", Deadline: 8 * time.Second, InFlight: 256}
	linkRedeem = policy.Limit{Name: "link-redeem", Deadline: 4 * time.Second, InFlight: 128}
	linkAsk    = policy.Limit{Name: "link-ask", Deadline: 5 * time.Second, InFlight: 256}
)

var linkLimits = []policy.Limit{linkLogin, linkChange, linkToken, linkRedeem, linkAsk}

var linkRoutes = []linkRoute{
	{link.PathLoginKeys, linkAsk, policy.AuditRead, policy.Small, true, ofNobody, asked((*links).loginKeys)},
	{link.PathLoginStart, linkLogin, policy.AuditRead, policy.Small, false, ofNobody, asked((*links).startLogin)},
	{link.PathLoginFinish, linkLogin, policy.AuditWrite, policy.Small, false, ofSomeone, asked((*links).finishLogin)},
	{link.PathIssueTicket, linkAsk, policy.AuditWrite, policy.Small, false, ofUser, asked((*links).issueTicket)},
	{link.PathRedeemTicket, linkRedeem, policy.AuditWrite, policy.Small, false, ofNobody, asked((*links).redeemTicket)},
	{link.PathIssueCode, linkChange, policy.AuditWrite, policy.Small, false, ofEither, asked((*links).issueCode)},
	{link.PathDropCodes, linkChange, policy.AuditWrite, policy.Small, true, ofNobody, asked((*links).dropCodes)},
	{link.PathListDevices, linkAsk, policy.AuditPrivate, policy.Small, true, ofEither, asked((*links).listDevices)},
	{link.PathRevokeDevices, linkChange, policy.AuditWrite, policy.Small, true, ofEither, asked((*links).revokeDevices)},
	{link.PathSetUser, linkChange, policy.AuditWrite, policy.Small, false, ofAdmin, asked((*links).setUser)},
	{link.PathOpenIMToken, linkToken, policy.AuditPrivate, policy.Small, false, ofSocket, asked((*links).token)},
	{link.PathForceLogout, linkChange, policy.AuditWrite, policy.Small, true, ofNobody, asked((*links).forceLogout)},
	{link.PathMembership, linkAsk, policy.AuditRead, policy.Large, true, ofSocket, asked((*links).membership)},
	{link.PathSender, linkAsk, policy.AuditRead, policy.Small, true, ofSocket, asked((*links).sender)},
	{link.PathRegisterHead, linkAsk, policy.AuditRead, policy.Small, true, ofNobody, asked((*links).registerHead)},
	{link.PathListHeads, linkAsk, policy.AuditRead, policy.Small, true, ofAdmin, asked((*links).listHeads)},
}

// findLink takes a target as it stood in the request line; nil: the gateway has nothing to ask there.
func findLink(target string) *linkRoute {
	i := slices.IndexFunc(linkRoutes, func(r linkRoute) bool { return r.path == target })
	if i < 0 {
		return nil
	}
	return &linkRoutes[i]
}

// name is the route's label in logs and metrics.
func (r *linkRoute) name() string { return "link" + strings.TrimPrefix(r.path, link.Prefix) }

// asked decodes a question strictly before it is answered.
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

// answerLink is the gateway's own door: its own role, and no other. For whom it asks, the proof says.
func (h *handler) answerLink(
	ctx context.Context, route *linkRoute, r *http.Request, role auth.Role, body []byte, rec *serve.Record,
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
	rec.Verdict = serve.VerdictAllowed
	return &wire.Envelope{Data: out}, nil
}

// failureOfLink says what becomes of what went wrong. The texts of the errors themselves are for the log.
func failureOfLink(err error) wire.Failure {
	var own wire.Failure
	switch {
	case errors.As(err, &own):
		return own
	case errors.Is(err, registry.ErrTooManyCodes), errors.Is(err, registry.ErrTooManyDevices):
		return wire.Limited.Because(err.Error())
	case errors.Is(err, registry.ErrNoDevice), errors.Is(err, registry.ErrDisabled):
		return wire.Forbidden.Because(err.Error())
	case errors.Is(err, registry.ErrNobody):
		return wire.BadRequest.Because(err.Error())
	case errors.Is(err, registry.ErrUnavailable):
		return wire.Unavailable.Because("the registry of devices cannot be used now: try again after a second")
	case errors.Is(err, custody.ErrUnavailable):
		return wire.Unavailable.Because("no OpenIM token can be had now: try again after a second")
	case errors.Is(err, session.ErrUnavailable):
		return wire.Unavailable.Because("sessions cannot be used now: try again after a second")
	case errors.Is(err, openimapi.ErrNoUser):
		return wire.Forbidden.Because("OpenIM gives no token for this user")
	}
	return failureOf(err)
}

// about notes whom a call is about.
func about(rec *serve.Record, userID string) {
	if userID != "" {
		rec.Users, rec.UserCount = []string{userID}, 1
	}
}

func bad(format string, args ...any) error {
	return wire.BadRequest.Because(fmt.Sprintf(format, args...))
}
