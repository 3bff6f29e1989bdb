package celrules

import (
	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// variable is one name that an expression may use. It is declared with its full name, so that the compiler detects a misspelt name, and
// so that values which no rule reads are not computed.
type variable struct {
	name  string
	kind  *cel.Type
	value func(*Call) ref.Val
	means string
}

const bodyVariable = "body"

// variables is the vocabulary of the rules.
var variables = []variable{
	{"identity.userID", cel.StringType, func(c *Call) ref.Val { return types.String(c.Identity.UserID) },
		"the caller's OpenIM user id; empty for an administrator"},
	{"identity.deviceID", cel.StringType, func(c *Call) ref.Val { return types.String(c.Identity.DeviceID) },
		"the enrolled device; empty for an administrator"},
	{"identity.platformID", cel.IntType, func(c *Call) ref.Val { return types.Int(c.Identity.PlatformID) },
		"OpenIM's number of the device's platform, 1 to 9; 0 for an administrator"},
	{"identity.role", cel.StringType, func(c *Call) ref.Val { return types.String(c.Identity.Role) }, `"user" or "admin"`},
	{"identity.subject", cel.StringType, func(c *Call) ref.Val { return types.String(c.Identity.Subject) },
		"the token's sub; for a user, the user id"},
	{"identity.issuer", cel.StringType, func(c *Call) ref.Val { return types.String(c.Identity.Issuer) },
		"the issuer of the token or session"},
	{"route.name", cel.StringType, func(c *Call) ref.Val { return types.String(c.Route.Name) }, "the row's name, such as msg/send_msg"},
	{"route.kind", cel.StringType, func(c *Call) ref.Val { return types.String(c.Route.Kind) }, `"http" or "websocket"`},
	{"route.audience", cel.StringType, func(c *Call) ref.Val { return types.String(c.Route.Audience) }, "the callers that the row is for"},
	{"route.audit", cel.StringType, func(c *Call) ref.Val { return types.String(c.Route.Audit) }, "the row's audit class"},
	{"route.limit", cel.StringType, func(c *Call) ref.Val { return types.String(c.Route.Limit) }, "the row's rate limit class"},
	{"route.identifier", cel.IntType, func(c *Call) ref.Val { return types.Int(c.Route.Identifier) },
		"a frame's request identifier; 0 over HTTP"},
	{"connection.ip", cel.StringType, address, `the client's address, for cidr("10.0.0.0/8").containsIP(connection.ip)`},
	{"connection.tls", cel.BoolType, func(c *Call) ref.Val { return types.Bool(c.Connection.TLS) }, "whether TLS ended at the gateway"},
	{"connection.userAgent", cel.StringType, func(c *Call) ref.Val { return types.String(clip(c.Connection.UserAgent)) },
		"the User-Agent header, cut at 256 bytes; the client can write anything there"},
	{"connection.origin", cel.StringType, func(c *Call) ref.Val { return types.String(clip(c.Connection.Origin)) },
		"the Origin header, cut at 256 bytes"},
	{bodyVariable, cel.MapType(cel.StringType, cel.DynType), func(c *Call) ref.Val { return newObject(c.Body) },
		"the request's JSON object; for a frame contentType, sessionType, recvID, groupID and size only"},
}

func address(c *Call) ref.Val {
	if !c.Connection.IP.IsValid() {
		return types.String("")
	}
	return types.String(c.Connection.IP.Unmap().WithZone("").String())
}

// index maps a variable's name to its index in variables.
var index = func() map[string]int {
	m := make(map[string]int, len(variables))
	for i, v := range variables {
		m[v.name] = i
	}
	return m
}()
