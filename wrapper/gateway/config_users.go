package gateway

import (
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/openimstack/openim-operator/wrapper/serve"
)

// Users is the users' door. Absent: there is none, and the gateway serves administrators alone.
type Users struct {
	// Listen is host:port.
	Listen string `json:"listen"`
	TLS    TLS    `json:"tls"`
	// ConnectionsPerAddress bounds what one address holds open at once, sockets included; trustedProxies are not bounded, and private
	// addresses have half of what the listener holds, unless it is written. An IPv6 /64 is one address, a /56 has twice and a /48 four
	// times as many. Default a sixteenth of what the listener holds.
	ConnectionsPerAddress int32 `json:"connectionsPerAddress,omitempty"`
	// Audience is the origin under which clients know the gateway, such as https://im.example.com. It is part of every
	// login: a login made for one audience is worth nothing at another.
	Audience string `json:"audience"`
	// ServerKeysDir is a mounted folder with one to four static keys of the login, a file each.
	ServerKeysDir string  `json:"serverKeysDir"`
	Session       Session `json:"session"`
	// CodeLifetimeSeconds is how long an enrolment code is good, at most 600. Default 600.
	CodeLifetimeSeconds int32 `json:"codeLifetimeSeconds,omitempty"`
	// SocketToken is what opens a socket: TicketOrSession (default), or TicketOnly, which refuses a session's token in the query.
	SocketToken string   `json:"socketToken,omitempty"`
	Realtime    Realtime `json:"realtime"`
}

// Session says how long users stay logged in.
type Session struct {
	// LifetimeSeconds bounds a session whatever it does. Default 86400.
	LifetimeSeconds int32 `json:"lifetimeSeconds,omitempty"`
	// IdleSeconds bounds a session that does nothing. Default 3600.
	IdleSeconds int32 `json:"idleSeconds,omitempty"`
}

// Realtime says where OpenIM's message gateway is, and how many sockets are let through to it.
type Realtime struct {
	// URL is ws://host:port.
	URL string `json:"url"`
	// MaxSockets at once on this replica. Default 20000.
	MaxSockets int32 `json:"maxSockets,omitempty"`
	// DrainSeconds is the window over which sockets are closed when the gateway stops. Default 10.
	DrainSeconds int32 `json:"drainSeconds,omitempty"`
}

// Audit says where the audit trail is written.
type Audit struct {
	// Path is a file, or stdout. Default stdout.
	Path string `json:"path,omitempty"`
}

// What opens a socket.
const (
	TicketOrSession = "TicketOrSession"
	TicketOnly      = "TicketOnly"
)

// Defaults and bounds of the users' door.
const (
	auditStdout           = "stdout"
	defaultSessionSeconds = int32(24 * 3600)
	maxSessionSeconds     = int32(90 * 24 * 3600)
	defaultIdleSeconds    = int32(3600)
	minSessionSeconds     = int32(10)
	maxCodeSeconds        = int32(600)
	defaultMaxSockets     = int32(20000)
	maxSocketsAllowed     = int32(1000000)
	defaultDrainSeconds   = int32(10)
	maxDrainSeconds       = int32(600)
)

// fill puts defaults in the place of what is absent.
func (u *Users) fill() {
	or(&u.Session.LifetimeSeconds, defaultSessionSeconds)
	or(&u.Session.IdleSeconds, defaultIdleSeconds)
	or(&u.CodeLifetimeSeconds, maxCodeSeconds)
	if u.SocketToken == "" {
		u.SocketToken = TicketOrSession
	}
	or(&u.Realtime.MaxSockets, defaultMaxSockets)
	or(&u.Realtime.DrainSeconds, defaultDrainSeconds)
}

func or(value *int32, fallback int32) {
	if *value == 0 {
		*value = fallback
	}
}

func (u *Users) validate(p *serve.Problems) {
	p.Listen("users.listen", u.Listen)
	u.TLS.validate(p, "users.tls")
	if !isOrigin(u.Audience, "https", "http") {
		p.Add("users.audience", "write the origin under which clients reach the gateway, such as https://im.example.com, without path, user or query")
	}
	if !filepath.IsAbs(u.ServerKeysDir) || filepath.Clean(u.ServerKeysDir) != u.ServerKeysDir {
		p.Add("users.serverKeysDir", "write the absolute path of the folder that holds the login's keys")
	}
	between(p, "users.connectionsPerAddress", u.ConnectionsPerAddress, 0, maxConnectionsAllowed)
	between(p, "users.session.lifetimeSeconds", u.Session.LifetimeSeconds, minSessionSeconds, maxSessionSeconds)
	between(p, "users.session.idleSeconds", u.Session.IdleSeconds, minSessionSeconds, maxSessionSeconds)
	between(p, "users.codeLifetimeSeconds", u.CodeLifetimeSeconds, minSessionSeconds, maxCodeSeconds)
	if u.SocketToken != TicketOrSession && u.SocketToken != TicketOnly {
		p.Add("users.socketToken", "write %s or %s", TicketOrSession, TicketOnly)
	}
	if !isOrigin(u.Realtime.URL, "ws") {
		p.Add("users.realtime.url", "write ws://host:port of OpenIM's message gateway, without path, user or query")
	}
	between(p, "users.realtime.maxSockets", u.Realtime.MaxSockets, 1, maxSocketsAllowed)
	between(p, "users.realtime.drainSeconds", u.Realtime.DrainSeconds, 1, maxDrainSeconds)
}

func (t TLS) validate(p *serve.Problems, at string) {
	if t == (TLS{}) {
		return
	}
	p.File(at+".certFile", t.CertFile)
	p.File(at+".keyFile", t.KeyFile)
}

func (a Audit) validate(p *serve.Problems) {
	if a.Path != auditStdout {
		p.File("audit.path", a.Path)
	}
}

func between(p *serve.Problems, field string, value, least, most int32) {
	if value < least || value > most {
		p.Add(field, "write %d to %d", least, most)
	}
}

// isOrigin reports whether text is scheme://host[:port] and nothing more, in the form that browsers send.
func isOrigin(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	return err == nil && isURL(text, schemes...) && text == u.Scheme+"://"+u.Host && len(text) <= 512
}

func isURL(text string, schemes ...string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return false
	}
	return slices.Contains(schemes, u.Scheme)
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
