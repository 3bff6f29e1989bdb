package routes

import (
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Permit says whether an administrator may call a route by a method; nil means yes. header gets what the refusal has to tell
// beside its body. The gateway asks it first and the backend again: neither relies on the other's having done so.
// A caller without a role does not learn which routes there are.
func Permit(header http.Header, route *Route, method string, admin bool) *wire.Failure {
	switch {
	case !admin:
		return &wire.Forbidden
	case route == nil:
		return &wire.UnknownRoute
	case !route.ForAdmins():
		return closed(route, "users at their own door")
	case route.Method != method:
		header.Set(wire.HeaderAllow, route.Method)
		return &wire.WrongMethod
	}
	return nil
}

// PermitUser says whether a user, whose session is known to be good, may call a route by a method; nil means yes.
func PermitUser(header http.Header, route *Route, method string) *wire.Failure {
	switch {
	case route == nil:
		return &wire.UnknownRoute
	case !route.ForUsers() && !route.In(LastRelease):
		return &wire.NotInRelease
	case !route.ForUsers():
		return closed(route, "administrators")
	case route.Method != method:
		header.Set(wire.HeaderAllow, route.Method)
		return &wire.WrongMethod
	}
	return nil
}

// closed tells why a route is not for this caller.
func closed(route *Route, others string) *wire.Failure {
	f := wire.NobodyMayCall.Because("this route is called by nobody through the gateway: " + route.Why)
	if route.Audience != Nobody {
		f = wire.Forbidden.Because("this route is called by " + others + " alone: " + route.Why)
	}
	return &f
}
