package gateway

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/openimstack/openim-operator/wrapper/celrules"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/ratelimit"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// Hot is the part of the configuration that may change while the gateway runs: no socket is closed for a change of it.
type Hot config.Hot

// Limits are rate limits by class of calls. A class that is not listed has its default.
type Limits = config.Limits

// Classes of limits beside those of the route table.
const (
	classLogin   = "login"   // the login's two calls
	classRefused = "refused" // calls whose credentials were not accepted
	classSelf    = "self"    // the gateway's own routes for a logged-in user
	classAdmin   = "admin"   // administrators' calls, beside the table's class
	classSocket  = "socket"  // openings of a WebSocket
	classMessage = "message" // messages sent over a WebSocket
)

// defaultLimit is a class with its default, which bounds one user, device or address when nothing is configured. The defaults are far above
// the rate of an official client and far below the load that hurts OpenIM on one node.
type defaultLimit struct {
	name, appliesTo string
	ratelimit.Class
}

var defaultLimits = []defaultLimit{
	{classLogin, "the two calls of a login", ratelimit.Class{PerSecond: 2, Burst: 20, By: []string{ratelimit.ByIP}}},
	{classRefused, "calls whose token is not good", ratelimit.Class{PerSecond: 2, Burst: 40, By: []string{ratelimit.ByIP}}},
	{classSelf, "the gateway's own routes for a user", ratelimit.Class{PerSecond: 5, Burst: 20, By: []string{ratelimit.ByUser}}},
	{classAdmin, "administrators' calls", ratelimit.Class{PerSecond: 100, Burst: 400, By: []string{ratelimit.ByUser}}},
	{classSocket, "openings of a socket", ratelimit.Class{PerSecond: 1, Burst: 20, By: []string{ratelimit.ByDevice}}},
	{classMessage, "messages sent over a socket", ratelimit.Class{PerSecond: 10, Burst: 60, By: []string{ratelimit.ByUser}}},
	{routes.Read.Name, "users' calls and frames that read", ratelimit.Class{PerSecond: 30, Burst: 200, By: []string{ratelimit.ByUser}}},
	{routes.Write.Name, "users' calls that change something", ratelimit.Class{PerSecond: 10, Burst: 60, By: []string{ratelimit.ByUser}}},
	{routes.Bulk.Name, "users' calls that name many", ratelimit.Class{PerSecond: 1, Burst: 10, By: []string{ratelimit.ByUser}}},
	{routes.Search.Name, "users' calls that search", ratelimit.Class{PerSecond: 2, Burst: 10, By: []string{ratelimit.ByUser}}},
}

var defaultClasses = func() map[string]ratelimit.Class {
	classes := map[string]ratelimit.Class{}
	for _, b := range defaultLimits {
		classes[b.name] = b.Class
	}
	return classes
}()

const (
	maxOrigins = 64
	maxProxies = 64
	// maxReplicas is what one Redis can serve.
	maxReplicas = 1000
	anyOrigin   = "*"
)

// hot is the checked and compiled form of Hot.
type hot struct {
	origins  []string
	proxies  []netip.Prefix
	classes  map[string]ratelimit.Class
	replicas int
	local    bool
	rules    *celrules.Set
	// multiLogin is nil without a policy.
	multiLogin *session.MultiLogin
}

// ParseHot reads and checks the hot part.
func ParseHot(data []byte) (Hot, error) {
	var h Hot
	if err := httpserver.DecodeYAML(data, &h); err != nil {
		return Hot{}, err
	}
	_, err := h.compile()
	return h, err
}

func (h *Hot) compile() (*hot, error) {
	var p httpserver.Problems
	compiled := &hot{
		origins: h.Origins, classes: map[string]ratelimit.Class{}, replicas: int(max(h.Limits.Replicas, 1)), local: h.Limits.Local,
	}
	if n := h.Limits.Replicas; n < 0 || n > maxReplicas {
		p.Add("limits.replicas", "write 1 to %d", maxReplicas)
	}
	if len(h.Origins) > maxOrigins {
		p.Add("origins", "write at most %d", maxOrigins)
	}
	for i, origin := range h.Origins {
		if origin != anyOrigin && !httpserver.IsOrigin(origin, "https", "http") {
			p.Add(fmt.Sprintf("origins[%d]", i), `write an origin as browsers send it, such as https://chat.example.com, or "*"`)
		}
	}
	if len(h.TrustedProxies) > maxProxies {
		p.Add("trustedProxies", "write at most %d", maxProxies)
	}
	for i, block := range h.TrustedProxies {
		prefix, err := netip.ParsePrefix(block)
		if err != nil {
			p.Add(fmt.Sprintf("trustedProxies[%d]", i), "write an address and a prefix length, such as 10.0.0.0/8")
			continue
		}
		compiled.proxies = append(compiled.proxies, prefix.Masked())
	}
	maps.Copy(compiled.classes, defaultClasses)
	for name, class := range h.Limits.Classes {
		if _, known := defaultClasses[name]; !known {
			p.Add("limits.classes."+name, "there is no such class: write one of docs/wrapper.md")
			continue
		}
		(*ratelimit.Class)(&class).Validate(&p, "limits.classes."+name)
		compiled.classes[name] = ratelimit.Class(class)
	}
	if compiled.multiLogin = h.MultiLogin; h.MultiLogin != nil {
		session.ValidateMultiLogin(h.MultiLogin, &p, "multiLogin")
	}
	set, err := celrules.Compile(h.Rules)
	if err != nil {
		p.Add("rules", "%s", err.Error())
	}
	compiled.rules = set
	return compiled, p.Err()
}

// allows reports whether pages of an origin may call.
func (h *hot) allows(origin string) bool {
	return slices.Contains(h.origins, origin) || slices.Contains(h.origins, anyOrigin)
}

// hotSource returns the source of the hot configuration and its defaults. With an empty path the source is nil.
func hotSource(path string) (*filewatch.Source[*hot], *hot, error) {
	defaults, err := (&Hot{}).compile()
	if err != nil || path == "" {
		return nil, defaults, err
	}
	return filewatch.New("hot", func(contents [][]byte) (*hot, error) {
		var h Hot
		if err := httpserver.DecodeYAML(contents[0], &h); err != nil {
			return nil, err
		}
		return h.compile()
	}, path), defaults, nil
}
