package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/custody"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/openimapi"
	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/registry"
	"github.com/openimstack/openim-operator/wrapper/serve"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// devices is the part of registry.Registry that the gateway's calls need.
type devices interface {
	IssueCode(ctx context.Context, in registry.Invitation, lives time.Duration, enrolled bool) (string, time.Time, error)
	OpenCode(ctx context.Context, id string) (registry.Opened, error)
	DropCodes(ctx context.Context, which link.DropCodes) error
	Enrol(ctx context.Context, req link.Enrol, prepare func(context.Context, registry.Invitation) error) (link.Enrolled, error)
	Resolve(ctx context.Context, key link.Key) (link.Resolved, error)
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

// links answers what the gateway asks for itself.
type links struct {
	devices devices
	tokens  tokens
	openim  people
	heads   *heads
	// adminUserID is OpenIM's administrator: nobody enrols as him.
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
	do       func(*links, context.Context, *serve.Record, []byte) (any, error)
}

// The classes of the gateway's calls. A flood of logins must not keep the sockets' questions out.
var (
	linkLogin  = policy.Limit{Name: "link-login", Deadline: 5 * time.Second, InFlight: 64}
	linkChange = policy.Limit{Name: "link-change", Deadline: 12 * time.Second, InFlight: 32}
	linkToken  = policy.Limit{Name: "link-token", Deadline: 8 * time.Second, InFlight: 256}
	linkAsk    = policy.Limit{Name: "link-ask", Deadline: 5 * time.Second, InFlight: 256}
)

var linkLimits = []policy.Limit{linkLogin, linkChange, linkToken, linkAsk}

var linkRoutes = []linkRoute{
	{link.PathIssueCode, linkChange, policy.AuditWrite, policy.Small, false, asked((*links).issueCode)},
	{link.PathOpenCode, linkLogin, policy.AuditRead, policy.Small, false, asked((*links).openCode)},
	{link.PathDropCodes, linkChange, policy.AuditWrite, policy.Small, true, asked((*links).dropCodes)},
	{link.PathEnrol, linkChange, policy.AuditWrite, policy.Small, false, asked((*links).enrol)},
	{link.PathResolve, linkLogin, policy.AuditRead, policy.Small, true, asked((*links).resolve)},
	{link.PathRotate, linkChange, policy.AuditWrite, policy.Small, false, asked((*links).rotate)},
	{link.PathListDevices, linkAsk, policy.AuditPrivate, policy.Small, true, asked((*links).listDevices)},
	{link.PathRevokeDevices, linkChange, policy.AuditWrite, policy.Small, true, asked((*links).revokeDevices)},
	{link.PathSetUser, linkChange, policy.AuditWrite, policy.Small, false, asked((*links).setUser)},
	{link.PathOpenIMToken, linkToken, policy.AuditPrivate, policy.Small, false, asked((*links).token)},
	{link.PathForceLogout, linkChange, policy.AuditWrite, policy.Small, true, asked((*links).forceLogout)},
	{link.PathMembership, linkAsk, policy.AuditRead, policy.Large, true, asked((*links).membership)},
	{link.PathSender, linkAsk, policy.AuditRead, policy.Small, true, asked((*links).sender)},
	{link.PathRegisterHead, linkAsk, policy.AuditRead, policy.Small, true, asked((*links).registerHead)},
	{link.PathListHeads, linkAsk, policy.AuditRead, policy.Small, true, asked((*links).listHeads)},
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
func asked[Q, A any](answer func(*links, context.Context, *serve.Record, Q) (A, error)) func(*links, context.Context, *serve.Record, []byte) (any, error) {
	return func(l *links, ctx context.Context, rec *serve.Record, body []byte) (any, error) {
		var q Q
		if err := wire.DecodeStrict(body, &q); err != nil {
			return nil, wire.BadRequest.Because("the body is refused: " + err.Error())
		}
		return answer(l, ctx, rec, q)
	}
}

// answerLink is the gateway's own door: its own role, and no other.
func (h *handler) answerLink(ctx context.Context, route *linkRoute, method string, principal auth.Principal, body []byte, rec *serve.Record) (*wire.Envelope, *wire.Failure) {
	switch {
	case principal.Role != auth.RoleGateway:
		return nil, &wire.Forbidden
	case route == nil:
		return nil, &wire.UnknownRoute
	case method != "POST":
		return nil, &wire.WrongMethod
	}
	rec.Route, rec.Audit = route.name(), string(route.audit)
	if h.links == nil {
		f := wire.Unavailable.Because("the backend serves no users: configure redis, mongodb and custodyKeyFile")
		return nil, &f
	}
	release, ok := h.budget.take(route.limit)
	if !ok {
		return nil, &wire.Busy
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, route.limit.Deadline)
	defer cancel()
	data, err := route.do(h.links, ctx, rec, body)
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

func (l *links) issueCode(ctx context.Context, rec *serve.Record, q link.IssueCode) (link.IssuedCode, error) {
	lives := time.Duration(q.LifetimeSeconds) * time.Second
	switch {
	case !legalNewUser(q.UserID):
		return link.IssuedCode{}, bad("userID must be 1 to %d letters, digits and underscores: OpenIM takes no others", maxUserIDBytes)
	case q.UserID == l.adminUserID:
		return link.IssuedCode{}, bad("userID is OpenIM's administrator: nobody logs in as him")
	case q.PlatformID != 0 && !legalPlatform(q.PlatformID):
		return link.IssuedCode{}, bad("platformID must be 1 to %d, or 0 for any", maxPlatform)
	case lives < minCodeLife || lives > registry.MaxCodeLifetime:
		return link.IssuedCode{}, bad("lifetimeSeconds must be %d to %d", int(minCodeLife.Seconds()), int(registry.MaxCodeLifetime.Seconds()))
	case !legalText(q.Nickname, maxNicknameBytes) || !legalText(q.FaceURL, maxFaceURLBytes) || !legalText(q.Issuer, maxIssuerBytes):
		return link.IssuedCode{}, bad("nickname, faceURL or issuer is too long, or holds a control character")
	case !legalText(q.SessionID, maxIssuerBytes) || !legalText(q.DeviceID, maxIssuerBytes) || !legalText(q.Under, maxUnderBytes):
		return link.IssuedCode{}, bad("sessionID, deviceID or under is too long, or holds a control character")
	}
	about(rec, q.UserID)
	rec.Detail = "issued by " + q.Issuer
	code, expires, err := l.devices.IssueCode(ctx, registry.Invitation{
		UserID: q.UserID, Nickname: q.Nickname, FaceURL: q.FaceURL, PlatformID: q.PlatformID, Issuer: q.Issuer,
		SessionID: q.SessionID, DeviceID: q.DeviceID, Under: q.Under,
	}, lives, !q.NewUser)
	return link.IssuedCode{Code: code, Expires: expires}, err
}

func (l *links) openCode(ctx context.Context, rec *serve.Record, q link.OpenCode) (link.OpenedCode, error) {
	if !handshake.LegalCodeID(q.CodeID) {
		return link.OpenedCode{}, bad("codeID is no code's id")
	}
	opened, err := l.devices.OpenCode(ctx, q.CodeID)
	if err != nil {
		return link.OpenedCode{}, err
	}
	note(rec, !opened.OK, link.CodeGone)
	return link.OpenedCode{Found: opened.OK, PSK: encodeKey(opened.PSK), Under: opened.Under}, nil
}

func (l *links) dropCodes(ctx context.Context, rec *serve.Record, q link.DropCodes) (link.Empty, error) {
	about(rec, q.UserID)
	q.UserID, q.DeviceID, q.SessionID = boundedText(q.UserID), boundedText(q.DeviceID), boundedText(q.SessionID)
	return link.Empty{}, l.devices.DropCodes(ctx, q)
}

func (l *links) enrol(ctx context.Context, rec *serve.Record, q link.Enrol) (link.Enrolled, error) {
	switch {
	case !handshake.LegalCodeID(q.CodeID):
		return link.Enrolled{}, bad("codeID is no code's id")
	case !legalPlatform(q.PlatformID):
		return link.Enrolled{}, bad("platformID must be 1 to %d", maxPlatform)
	case !legalText(q.Name, maxDeviceNameBytes):
		return link.Enrolled{}, bad("name is longer than %d bytes, or holds a control character", maxDeviceNameBytes)
	}
	out, err := l.devices.Enrol(ctx, q, func(ctx context.Context, in registry.Invitation) error {
		about(rec, in.UserID)
		// OpenIM takes no user without a name.
		u := openimapi.User{ID: in.UserID, Nickname: in.Nickname, FaceURL: in.FaceURL}
		if u.Nickname == "" {
			u.Nickname = in.UserID
		}
		return l.openim.RegisterUser(ctx, u)
	})
	if err != nil {
		return link.Enrolled{}, err
	}
	note(rec, out.Refused != "", out.Refused)
	return out, nil
}

func (l *links) resolve(ctx context.Context, rec *serve.Record, q link.Resolve) (link.Resolved, error) {
	// A key that is none is asked for all the same: the gateway's caller must not learn it from the time.
	out, err := l.devices.Resolve(ctx, boundedText(q.Key))
	about(rec, out.Device.UserID)
	note(rec, err == nil && !out.Found, link.NoSuchDevice)
	return out, err
}

func (l *links) rotate(ctx context.Context, rec *serve.Record, q link.Rotate) (link.Enrolled, error) {
	out, err := l.devices.Rotate(ctx, link.Rotate{DeviceID: boundedText(q.DeviceID), Key: q.Key})
	about(rec, out.Device.UserID)
	note(rec, out.Refused != "", out.Refused)
	return out, err
}

func (l *links) listDevices(ctx context.Context, rec *serve.Record, q link.ListDevices) (link.Devices, error) {
	if !legalUser(q.UserID) {
		return link.Devices{}, badUser
	}
	about(rec, q.UserID)
	list, err := l.devices.ListDevices(ctx, q.UserID)
	return link.Devices{Devices: list}, err
}

func (l *links) revokeDevices(ctx context.Context, rec *serve.Record, q link.RevokeDevices) (link.Devices, error) {
	if q.UserID != "" && !legalUser(q.UserID) {
		return link.Devices{}, badUser
	}
	about(rec, q.UserID)
	q.DeviceID = boundedText(q.DeviceID)
	list, err := l.devices.RevokeDevices(ctx, q)
	return link.Devices{Devices: list}, err
}

func (l *links) setUser(ctx context.Context, rec *serve.Record, q link.SetUser) (link.User, error) {
	if !legalUser(q.UserID) {
		return link.User{}, badUser
	}
	about(rec, q.UserID)
	return l.devices.SetUser(ctx, q)
}

func (l *links) token(ctx context.Context, rec *serve.Record, q link.TokenRequest) (link.Token, error) {
	switch {
	case !legalUser(q.UserID) || q.UserID == l.adminUserID:
		return link.Token{}, badUser
	case !legalPlatform(q.PlatformID):
		return link.Token{}, bad("platformID must be 1 to %d", maxPlatform)
	}
	about(rec, q.UserID)
	t, err := l.tokens.Token(ctx, q.UserID, q.PlatformID, boundedText(q.Refused))
	if err != nil {
		return link.Token{}, err
	}
	return link.Token{Token: t.Value, Hash: t.Hash, Expires: t.Expires}, nil
}

// forceLogout goes on after a failure: each platform that is done is one less.
func (l *links) forceLogout(ctx context.Context, rec *serve.Record, q link.ForceLogout) (link.Empty, error) {
	if !legalUser(q.UserID) {
		return link.Empty{}, badUser
	}
	if len(q.PlatformIDs) > maxPlatform || !all(q.PlatformIDs, legalPlatform) {
		return link.Empty{}, bad("platformIDs must be at most %d numbers of 1 to %d", maxPlatform, maxPlatform)
	}
	about(rec, q.UserID)
	var work errgroup.Group
	work.SetLimit(3)
	for _, platform := range q.PlatformIDs {
		work.Go(func() error {
			// The token goes first: what is made after this is wanted, and must not be forgotten.
			return errors.Join(l.tokens.Drop(ctx, q.UserID, platform), l.openim.ForceLogout(ctx, q.UserID, platform))
		})
	}
	return link.Empty{}, work.Wait()
}

func (l *links) membership(ctx context.Context, rec *serve.Record, q link.Membership) (link.Members, error) {
	if !legalUser(q.UserID) {
		return link.Members{}, badUser
	}
	if len(q.ConversationIDs) > maxConversations {
		return link.Members{}, bad("conversationIDs holds %d: ask about at most %d", len(q.ConversationIDs), maxConversations)
	}
	about(rec, q.UserID)
	member, err := l.openim.MembersOf(ctx, q.UserID, q.ConversationIDs)
	return link.Members{Member: member}, err
}

func (l *links) sender(ctx context.Context, rec *serve.Record, q link.SenderOf) (link.Sender, error) {
	if !legalUser(q.UserID) || q.GroupID != "" && !legalUser(q.GroupID) {
		return link.Sender{}, badUser
	}
	about(rec, q.UserID)
	p, err := l.openim.ProfileOf(ctx, q.UserID, q.GroupID)
	if err == nil && q.GroupID != "" && p.Nickname == "" {
		p, err = l.openim.ProfileOf(ctx, q.UserID, "")
	}
	return link.Sender{Nickname: p.Nickname, FaceURL: p.FaceURL}, err
}

// note puts a refusal of the registry's into the log. The call itself was answered as it should be.
func note(rec *serve.Record, refused bool, why link.Refused) {
	if refused {
		rec.Detail = string(why)
	}
}

func bad(format string, args ...any) error {
	return wire.BadRequest.Because(fmt.Sprintf(format, args...))
}
