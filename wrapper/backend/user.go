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
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// userCaller is the part of openimclient.Client that users' calls need.
type userCaller interface {
	CallAs(ctx context.Context, r openimclient.Request, token string) (wire.Envelope, error)
}

// Tokens gives OpenIM's token of a user on a platform. refused is the hash of a token that OpenIM has just refused: another one
// is wanted.
type Tokens interface {
	Token(ctx context.Context, userID string, platformID int32, refused string) (token, hash string, err error)
}

// Members says who belongs where, in the order of the ids, and what else must be known before a user's call may go on.
type Members interface {
	Conversations(ctx context.Context, userID string, ids []string) ([]bool, error)
	Groups(ctx context.Context, userID string, ids []string) ([]openimclient.GroupRole, error)
	// Live says which groups exist and are not dismissed.
	Live(ctx context.Context, groupIDs []string) ([]bool, error)
	// All are the ids of all conversations that OpenIM ever kept for a user.
	All(ctx context.Context, userID string) ([]string, error)
	// NewestSeq is the newest sequence number of a conversation.
	NewestSeq(ctx context.Context, userID, conversationID string) (int64, error)
	// TakesSettings says whether a user takes from another what that one sets for both of them.
	TakesSettings(ctx context.Context, userID, from, conversationID string) (bool, error)
}

// UsersOptions are what users' calls need.
type UsersOptions struct {
	OpenIM  userCaller
	Tokens  Tokens
	Members Members
	Release routes.Release
	// ObjectURL is the object store as users reach it; nil: there are no downloads.
	ObjectURL *url.URL
	// Pictures lets users have OpenIM make small pictures of objects.
	Pictures bool
	Budget   *budget
	// Replies counts what of replies is not passed on; nil: nobody counts.
	Replies *replyMetrics
}

// usersOptions adds the release and the object store of a validated configuration.
func usersOptions(c OpenIM, o UsersOptions) UsersOptions {
	o.Release, _ = routes.ParseRelease(c.Release)
	o.Pictures = c.ObjectPictures
	if c.ObjectURL != "" {
		o.ObjectURL, _ = url.Parse(c.ObjectURL)
	}
	return o
}

// users answers the calls of users.
type users struct{ UsersOptions }

func newUsers(o UsersOptions) *users { return &users{o} }

// readBody reads within the route's limit. A path without a route has its body read too, for the assertion covers it.
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

// isProtobuf wants one media type, and no encoding that would hide the body.
func isProtobuf(h http.Header) bool {
	if len(h.Values(wire.HeaderContentCoding)) > 0 || len(h.Values(wire.HeaderContentType)) != 1 {
		return false
	}
	media, _, err := mime.ParseMediaType(h.Get(wire.HeaderContentType))
	return err == nil && routes.IsProtobuf(media)
}

// harmless is true when a call may be carried out twice with no more effect than once.
func (u *users) harmless(method, target string) bool {
	route := routes.FindRequest(target, wire.UserPrefix)
	return method == http.MethodGet || route != nil && route.Repeatable
}

// answer takes the steps in order: which route, may users, what is asked, may it run now, is it his, call.
func (u *users) answer(ctx context.Context, header http.Header, call userCall, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
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
	release, ok := u.Budget.take(route.Limit)
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
	return u.project(ctx, call.Principal, route, routes.Asked{Caller: u.callerOf(call.Principal), Body: body, Protobuf: protobuf}, reply, rec)
}

func (u *users) callerOf(p auth.Principal) routes.Caller {
	return routes.Caller{UserID: p.Subject, PlatformID: p.PlatformID, Pictures: u.Pictures}
}

// enforce makes the body that OpenIM may see.
func (u *users) enforce(route *routes.Route, call userCall, protobuf bool, rec *httpserver.Record) (map[string]any, []routes.Need, *wire.Failure) {
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

// call asks OpenIM as the user. A token that OpenIM refuses is ours, not the caller's: it is replaced once, and what OpenIM says
// of it is never passed on as a verdict on the caller's session.
func (u *users) call(ctx context.Context, p auth.Principal, request openimclient.Request, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
	reply, err := u.callOnce(ctx, p, request)
	if err != nil {
		f := failureOfUser(err)
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

var errTokenRefused = errors.New("OpenIM refuses the token that it gave for this user")

func failureOfUser(err error) wire.Failure {
	if errors.Is(err, errTokenRefused) {
		return wire.Unavailable.Because("OpenIM does not know this user's token just now: try again after a second")
	}
	return failureOfLink(err)
}
