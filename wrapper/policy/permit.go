package policy

import (
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Permit says whether a caller may call a route by a method; nil means yes. header gets what the refusal has to tell
// beside its body. The gateway asks it first and the backend again: neither relies on the other's having done so.
// A caller without a role does not learn which routes there are.
func Permit(header http.Header, route *Route, method string, admin bool) *wire.Failure {
	switch {
	case !admin:
		return &wire.Forbidden
	case route == nil:
		return &wire.UnknownRoute
	case route.Audience != Admin:
		f := wire.NobodyMayCall.Because("this route is called by nobody through the gateway: " + route.Why)
		return &f
	case route.Method != method:
		header.Set(wire.HeaderAllow, route.Method)
		return &wire.WrongMethod
	}
	return nil
}
