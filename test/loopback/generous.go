package loopback

import (
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
)

// Generous raises the limits of a single address and a single user, for suites that do not test limits. It is a value for Wrapper.Hot.
func Generous(h *gateway.Hot) {
	h.Limits.Classes = map[string]config.Class{}
	for _, class := range []string{"login", "refused", "self", "admin", "socket", "message", "read", "write", "bulk", "search"} {
		h.Limits.Classes[class] = config.Class{PerSecond: 1000, Burst: 10000, By: []string{ratelimit.ByUser, ratelimit.ByIP}}
	}
}
