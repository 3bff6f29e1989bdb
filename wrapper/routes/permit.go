package routes

import (
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Permit checks whether an administrator may call a route by a method; nil permits it. Permit sets the headers of a refusal in header.
// The gateway and the backend both call it, so that neither relies on the other. A caller without an administrator's role does not learn
// which routes exist.
func Permit(header http.Header, route *Route, method string, admin bool) *wire.Failure {
	switch {
	case !admin:
		return &wire.Forbidden
	case route == nil:
		return &wire.UnknownRoute
	case !route.ForAdmins():
		return notForCaller(route, "users, on their own listener")
	case route.Method != method:
		header.Set(wire.HeaderAllow, route.Method)
		return &wire.WrongMethod
	}
	return nil
}

// PermitUser checks whether a user with a valid session may call a route by a method; nil permits it.
func PermitUser(header http.Header, route *Route, method string) *wire.Failure {
	switch {
	case route == nil:
		return &wire.UnknownRoute
	case !route.ForUsers() && !route.In(LastRelease):
		return &wire.NotInRelease
	case !route.ForUsers():
		return notForCaller(route, "administrators")
	case route.Method != method:
		header.Set(wire.HeaderAllow, route.Method)
		return &wire.WrongMethod
	}
	return nil
}

// notForCaller returns the failure for a route of other callers.
func notForCaller(route *Route, others string) *wire.Failure {
	f := wire.NotCallable.Because("this route is called by nobody through the gateway: " + route.Why)
	if route.Audience != Nobody {
		f = wire.Forbidden.Because("this route is called by " + others + " only: " + route.Why)
	}
	return &f
}
