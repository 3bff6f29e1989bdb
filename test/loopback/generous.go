package loopback

import (
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
)

// Generous lets a single address and a single user do what takes many in real life, for suites that are not about limits. It is for
// Wrapper.Hot.
func Generous(h *gateway.Hot) {
	h.Limits.Classes = map[string]config.Class{}
	for _, class := range []string{"login", "refused", "self", "admin", "socket", "message", "read", "write", "bulk", "search"} {
		h.Limits.Classes[class] = config.Class{PerSecond: 1000, Burst: 10000, By: []string{ratelimit.ByUser, ratelimit.ByIP}}
	}
}
