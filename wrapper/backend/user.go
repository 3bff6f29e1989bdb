package backend

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// openimAsUser is the part of openimclient.Client that users' calls need.
type openimAsUser interface {
	CallAs(ctx context.Context, r openimclient.Request, token string) (wire.Envelope, error)
}

// Tokens gives OpenIM's token of a user on a platform. refused is the hash of a token that OpenIM has just refused, or empty. A refused
// token is not returned again.
type Tokens interface {
	Token(ctx context.Context, userID string, platformID int32, refused string) (token, hash string, err error)
}

// Members answers membership questions, in the order of the ids, and what else a user's call depends on.
type Members interface {
	Conversations(ctx context.Context, userID string, ids []string) ([]bool, error)
	Groups(ctx context.Context, userID string, ids []string) ([]openimclient.GroupRole, error)
	// Live returns which groups exist and are not dismissed.
	Live(ctx context.Context, groupIDs []string) ([]bool, error)
	// All returns the ids of all conversations that OpenIM ever kept for a user.
	All(ctx context.Context, userID string) ([]string, error)
	// NewestSeq returns the newest sequence number of a conversation.
	NewestSeq(ctx context.Context, userID, conversationID string) (int64, error)
	// TakesSettings reports whether a user accepts from another user settings that apply to both of them.
	TakesSettings(ctx context.Context, userID, from, conversationID string) (bool, error)
}

// UsersOptions are the dependencies of users' calls.
type UsersOptions struct {
	OpenIM  openimAsUser
	Tokens  Tokens
	Members Members
	Release routes.Release
	// ObjectURL is the object store as users reach it. Without it there are no downloads.
	ObjectURL *url.URL
	// Pictures allows users to request scaled pictures of objects from OpenIM.
	Pictures bool
	// OnePart refuses uploads in several parts.
	OnePart     bool
	Concurrency *concurrency
	// Tickets seals the tickets of uploads. nil: calls with a ticket are refused.
	Tickets routes.Tickets
	// Replies counts what is removed from replies. It may be nil.
	Replies *replyMetrics
}

// usersOptions adds the release and the object store of a validated configuration.
func usersOptions(c OpenIM, o UsersOptions) UsersOptions {
	o.Release, _ = routes.ParseRelease(c.Release)
	o.Pictures, o.OnePart = c.ObjectPictures, c.ObjectOnePart
	if c.ObjectURL != "" {
		o.ObjectURL, _ = url.Parse(c.ObjectURL)
	}
	return o
}

// users answers users' calls.
type users struct{ UsersOptions }

func newUsers(o UsersOptions) *users { return &users{o} }

// readBody reads the body within the route's limit. It also reads the body of an unknown path, because the assertion covers the body.
func (u *users) readBody(w http.ResponseWriter, r *http.Request) ([]byte, *wire.Failure) {
	if r.Method == http.MethodGet {
		if r.ContentLength != 0 {
			f := wire.BadRequest.Because("a GET takes no body: send none")
			return nil, &f
		}
		return nil, nil
	}
	route := routes.FindRequest(r.RequestURI, wire.UserPrefix)
	switch {
	case route == nil || !route.ForUsers():
		return httpserver.ReadBody(w, r, routes.MaxBody)
	case route.Protobuf && isProtobuf(r.Header):
		return httpserver.ReadBody(w, r, route.Body)
	}
	return httpserver.ReadJSON(w, r, route.Body)
}

// isProtobuf reports whether the headers name one protobuf media type and no content coding, which would hide the body.
func isProtobuf(h http.Header) bool {
	if len(h.Values(wire.HeaderContentCoding)) > 0 || len(h.Values(wire.HeaderContentType)) != 1 {
		return false
	}
	media, _, err := mime.ParseMediaType(h.Get(wire.HeaderContentType))
	return err == nil && routes.IsProtobuf(media)
}

// repeatable reports whether making a call twice has the same effect as once.
func (u *users) repeatable(method, target string) bool {
	route := routes.FindRequest(target, wire.UserPrefix)
	return method == http.MethodGet || route != nil && route.Repeatable
}

// answer checks, in this order, the route, the release, the body, the concurrency limit and the needs (such as membership), and then
// makes the call.
func (u *users) answer(ctx context.Context, header http.Header, call userCall, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
	if ids.Reserved(call.Principal.Subject) { // a session from before the name was reserved
		return nil, &wire.Forbidden
	}
	if call.Method == http.MethodGet {
		return u.download(ctx, call, rec)
	}
	route := routes.FindRequest(call.Target, wire.UserPrefix)
	if route != nil && route.ForUsers() {
		rec.Route, rec.Audit = route.Name(), string(route.Audit)
	}
	if failure := routes.PermitUser(header, route, call.Method); failure != nil {
		return nil, failure
	}
	if !route.In(u.Release) {
		return nil, &wire.NotInRelease
	}
	protobuf := route.Protobuf && isProtobuf(call.Header)
	body, needs, failure := u.enforce(route, call, protobuf, rec)
	if failure != nil {
		return nil, failure
	}
	release, ok := u.Concurrency.acquire(route.Limit)
	if !ok {
		return nil, &wire.Busy
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, route.Limit.Deadline)
	defer cancel()
	nothing, failure := u.satisfy(ctx, call.Principal, body, needs, rec)
	if failure != nil {
		return nil, failure
	}
	if nothing {
		rec.Verdict = httpserver.VerdictAllowed
		return &wire.Envelope{Data: json.RawMessage(route.Nothing)}, nil
	}
	data, err := route.WriteBody(body, protobuf)
	if err != nil {
		rec.Refuse(wire.Internal, err.Error())
		return nil, &wire.Internal
	}
	request := openimclient.Request{Path: route.Upstream(), Body: data, RequestID: call.RequestID, Repeatable: route.Repeatable}
	if protobuf {
		request.ContentType = routes.MediaTypeProtobuf
	}
	reply, failure := u.call(ctx, call.Principal, request, rec)
	if failure != nil {
		return nil, failure
	}
	asked := routes.Asked{Caller: u.callerOf(call.Principal), Body: body, Protobuf: protobuf}
	return u.project(ctx, call.Principal, route, asked, reply, rec)
}

func (u *users) callerOf(p auth.Principal) routes.Caller {
	return routes.Caller{UserID: p.Subject, PlatformID: p.PlatformID, Pictures: u.Pictures, Tickets: u.Tickets, OnePart: u.OnePart}
}

// enforce returns the body that is sent to OpenIM, and the needs that must be looked up first.
func (u *users) enforce(
	route *routes.Route, call userCall, protobuf bool, rec *httpserver.Record,
) (map[string]any, []routes.Need, *wire.Failure) {
	body, failure := route.ReadBody(call.Body, protobuf)
	if failure != nil {
		return nil, nil, failure
	}
	changed, needs, failure := route.Enforce(u.callerOf(call.Principal), body)
	if failure != nil {
		return nil, nil, failure
	}
	var err error
	if rec.Users, rec.UserCount, err = route.UserActsOn(changed); err != nil {
		f := wire.BadRequest.Because("the body is refused: " + err.Error())
		return nil, nil, &f
	}
	return changed, needs, nil
}

// call calls OpenIM as the user. The OpenIM token is the wrapper's, not the caller's: a refused token is replaced once, and OpenIM's
// refusal is never passed on as a statement about the caller's session.
func (u *users) call(
	ctx context.Context, p auth.Principal, request openimclient.Request, rec *httpserver.Record,
) (*wire.Envelope, *wire.Failure) {
	reply, err := u.callOnce(ctx, p, request)
	if err != nil {
		f := userFailure(err)
		rec.Refuse(f, err.Error())
		return nil, &f
	}
	rec.Verdict, rec.ErrCode = httpserver.VerdictAllowed, reply.ErrCode
	return &reply, nil
}

func (u *users) callOnce(ctx context.Context, p auth.Principal, request openimclient.Request) (wire.Envelope, error) {
	token, hash, err := u.Tokens.Token(ctx, p.Subject, p.PlatformID, "")
	if err != nil {
		return wire.Envelope{}, err
	}
	reply, err := u.OpenIM.CallAs(ctx, request, token)
	if err != nil || !wire.IsTokenError(reply.ErrCode) {
		return reply, err
	}
	if token, _, err = u.Tokens.Token(ctx, p.Subject, p.PlatformID, hash); err != nil {
		return wire.Envelope{}, err
	}
	if reply, err = u.OpenIM.CallAs(ctx, request, token); err != nil {
		return wire.Envelope{}, err
	}
	if wire.IsTokenError(reply.ErrCode) {
		return wire.Envelope{}, fmt.Errorf("%w (errCode %d twice)", errTokenRefused, reply.ErrCode)
	}
	return reply, nil
}

var errTokenRefused = errors.New("calling OpenIM as a user: OpenIM refuses the token that it issued")

func userFailure(err error) wire.Failure {
	if errors.Is(err, errTokenRefused) {
		return wire.Unavailable.Because("OpenIM refuses this user's token at the moment: try again after a second")
	}
	return internalFailure(err)
}
