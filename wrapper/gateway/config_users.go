package gateway

import (
	"time"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/session"
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
	// Session is as the backend has it, which makes the sessions.
	Session session.Limits `json:"session"`
	// CodeLifetimeSeconds is how long an enrolment code is good, at most 600. Default 600.
	CodeLifetimeSeconds int32 `json:"codeLifetimeSeconds,omitempty"`
	// SocketToken is what opens a socket: TicketOrSession (default), or TicketOnly, which refuses a session's token in the query.
	SocketToken string   `json:"socketToken,omitempty"`
	Realtime    Realtime `json:"realtime"`
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
	auditStdout         = "stdout"
	minCodeSeconds      = int32(10)
	maxCodeSeconds      = int32(600)
	defaultMaxSockets   = int32(20000)
	maxSocketsAllowed   = int32(1000000)
	defaultDrainSeconds = int32(10)
	maxDrainSeconds     = int32(600)
)

// fill puts defaults in the place of what is absent.
func (u *Users) fill() {
	u.Session.Fill()
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

func (u *Users) validate(p *httpserver.Problems) {
	p.Listen("users.listen", u.Listen)
	u.TLS.validate(p, "users.tls")
	between(p, "users.connectionsPerAddress", u.ConnectionsPerAddress, 0, maxConnectionsAllowed)
	u.Session.Validate(p, "users.session")
	between(p, "users.codeLifetimeSeconds", u.CodeLifetimeSeconds, minCodeSeconds, maxCodeSeconds)
	if u.SocketToken != TicketOrSession && u.SocketToken != TicketOnly {
		p.Add("users.socketToken", "write %s or %s", TicketOrSession, TicketOnly)
	}
	if !httpserver.IsOrigin(u.Realtime.URL, "ws") {
		p.Add("users.realtime.url", "write ws://host:port of OpenIM's message gateway, without path, user or query")
	}
	between(p, "users.realtime.maxSockets", u.Realtime.MaxSockets, 1, maxSocketsAllowed)
	between(p, "users.realtime.drainSeconds", u.Realtime.DrainSeconds, 1, maxDrainSeconds)
}

func (t TLS) validate(p *httpserver.Problems, at string) {
	if t == (TLS{}) {
		return
	}
	p.File(at+".certFile", t.CertFile)
	p.File(at+".keyFile", t.KeyFile)
}

func (a Audit) validate(p *httpserver.Problems) {
	if a.Path != auditStdout {
		p.File("audit.path", a.Path)
	}
}

func between(p *httpserver.Problems, field string, value, least, most int32) {
	if value < least || value > most {
		p.Add(field, "write %d to %d", least, most)
	}
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
