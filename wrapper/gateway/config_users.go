package gateway

import (
	"time"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// Credentials that open a socket.
const (
	TicketOrSession = config.TicketOrSession
	TicketOnly      = config.TicketOnly
)

// Bounds of the users' listener.
const (
	minCodeSeconds    = int32(10)
	maxSocketsAllowed = int32(1000000)
	maxDrainSeconds   = int32(600)
)

// fillUsers sets the default of every absent field.
func fillUsers(u *Users) {
	u.Session.Fill()
	setDefault(&u.CodeLifetimeSeconds, config.DefaultCodeLifetimeSeconds)
	if u.SocketToken == "" {
		u.SocketToken = TicketOrSession
	}
	setDefault(&u.Realtime.MaxSockets, config.DefaultMaxSockets)
	setDefault(&u.Realtime.DrainSeconds, config.DefaultDrainSeconds)
}

func setDefault(value *int32, fallback int32) {
	if *value == 0 {
		*value = fallback
	}
}

func validateUserListener(u *Users, p *httpserver.Problems) {
	p.Listen("users.listen", u.Listen)
	validateTLS(u.TLS, p, "users.tls")
	between(p, "users.connectionsPerAddress", u.ConnectionsPerAddress, 0, maxConnectionsAllowed)
	session.ValidateLimits(&u.Session, p, "users.session")
	between(p, "users.codeLifetimeSeconds", u.CodeLifetimeSeconds, minCodeSeconds, config.MaxCodeLifetimeSeconds)
	if u.SocketToken != TicketOrSession && u.SocketToken != TicketOnly {
		p.Add("users.socketToken", "write %s or %s", TicketOrSession, TicketOnly)
	}
	if !httpserver.IsOrigin(u.Realtime.URL, "ws") {
		p.Add("users.realtime.url", "write ws://host:port of OpenIM's message gateway, without path, user or query")
	}
	between(p, "users.realtime.maxSockets", u.Realtime.MaxSockets, 1, maxSocketsAllowed)
	between(p, "users.realtime.drainSeconds", u.Realtime.DrainSeconds, 1, maxDrainSeconds)
}

func validateTLS(t TLS, p *httpserver.Problems, at string) {
	if t == (TLS{}) {
		return
	}
	p.File(at+".certFile", t.CertFile)
	p.File(at+".keyFile", t.KeyFile)
}

func validateAudit(a Audit, p *httpserver.Problems) {
	if a.Path != config.AuditStdout {
		p.File("audit.path", a.Path)
	}
}

func between(p *httpserver.Problems, field string, value, least, most int32) {
	if value < least || value > most {
		p.Add(field, "write %d to %d", least, most)
	}
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
