package backend

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// pathAccessURL returns the location that OpenIM's own, unauthenticated GET would redirect to.
const pathAccessURL = "/object/access_url"

// location is what the gateway redirects to.
type location struct {
	Location string `json:"location"`
}

// download requests an object's location from OpenIM as the user, and answers with it.
func (u *users) download(ctx context.Context, call userCall, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
	route, name, query := routes.FindObject(call.Target)
	if route == nil {
		return nil, &wire.UnknownRoute
	}
	rec.Route, rec.Audit = route.Name(), string(route.Audit)
	if u.ObjectURL == nil {
		f := wire.Unavailable.Because("downloads are not configured: set openim.objectURL of the backend")
		return nil, &f
	}
	if !u.Pictures {
		query = map[string]string{}
	}
	body, err := routes.Encode(map[string]any{"name": name, "query": query})
	if err != nil {
		return nil, &wire.Internal
	}
	release, ok := u.Concurrency.acquire(route.Limit)
	if !ok {
		return nil, &wire.Busy
	}
	defer release()
	ctx, cancel := context.WithTimeout(ctx, route.Limit.Deadline)
	defer cancel()
	request := openimclient.Request{Path: pathAccessURL, Body: body, RequestID: call.RequestID, Repeatable: true}
	reply, failure := u.call(ctx, call.Principal, request, rec)
	if failure != nil {
		return nil, failure
	}
	switch reply.ErrCode {
	case wire.CodeOK:
	case wire.CodeNotFound:
		f := wire.UnknownRoute.Because("there is no such object")
		rec.Refuse(f, "")
		return nil, &f
	default:
		return reply, nil
	}
	return u.redirect(reply.Data, rec)
}

// redirect accepts a location at the configured object store and no other. A wrong or manipulated configuration of OpenIM must not send
// users' browsers elsewhere.
func (u *users) redirect(data json.RawMessage, rec *httpserver.Record) (*wire.Envelope, *wire.Failure) {
	var access struct {
		URL string `json:"url"`
	}
	var to *url.URL
	err := json.Unmarshal(data, &access)
	if err == nil {
		to, err = url.Parse(access.URL)
	}
	if err != nil || !u.atStore(to) {
		f := wire.BadGateway.Because("OpenIM names another object store than the configured one: " +
			"compare openim.objectURL and OpenIM's configuration")
		rec.Refuse(f, "the download's address is at another host")
		return nil, &f
	}
	out, err := json.Marshal(location{to.String()})
	if err != nil {
		return nil, &wire.Internal
	}
	return &wire.Envelope{Data: out}, nil
}

func (u *users) atStore(to *url.URL) bool {
	base := strings.TrimSuffix(u.ObjectURL.EscapedPath(), "/") + "/"
	return to.User == nil && to.Opaque == "" && to.Fragment == "" && to.Scheme == u.ObjectURL.Scheme &&
		strings.EqualFold(to.Host, u.ObjectURL.Host) && strings.HasPrefix(to.EscapedPath(), base)
}
