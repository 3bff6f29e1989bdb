package gateway

import (
	"time"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

// Config is the gateway's configuration file, with the defaults of absent fields.
type Config config.Gateway

// Parts of the configuration, as package config declares them.
type (
	// AdminListener configures the administrators' listener.
	AdminListener = config.AdminListener
	// Users configures the users' listener.
	Users = config.UserListener
	// Realtime is OpenIM's message gateway, and the bound of the sockets that the gateway relays to it.
	Realtime = config.Realtime
	// TLS names a certificate chain and its key in PEM.
	TLS = config.TLS
	// Backend holds the backend's address, and the key that the gateway authenticates with.
	Backend = config.BackendEndpoint
	// Audit configures where the audit log is written.
	Audit = config.AuditLog
)

// ParseConfig parses a configuration, sets defaults and validates the result. It opens none of the files that the configuration names.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if err := httpserver.DecodeYAML(data, &c); err != nil {
		return Config{}, err
	}
	c.fill()
	return c, c.validate()
}

func (c *Config) fill() {
	if c.Users != nil {
		fillUsers(c.Users)
	}
	if c.Audit.Path == "" {
		c.Audit.Path = config.AuditStdout
	}
}

func (c *Config) validate() error {
	var p httpserver.Problems
	p.Listen("admin.listen", c.Admin.Listen)
	validateTLS(c.Admin.TLS, &p, "admin.tls")
	between(&p, "admin.connectionsPerAddress", c.Admin.ConnectionsPerAddress, 0, maxConnectionsAllowed)
	p.Listen("telemetry.listen", c.Telemetry.Listen)
	p.BaseURL("backend.url", c.Backend.URL)
	p.File("backend.assertionKeyFile", c.Backend.AssertionKeyFile)
	p.GraceSeconds("shutdownGraceSeconds", c.ShutdownGraceSeconds)
	c.validateUsers(&p)
	if c.HotFile != "" {
		p.File("hotFile", c.HotFile)
	}
	validateAudit(c.Audit, &p)
	httpserver.ValidateTracing(c.Tracing, &p)
	httpserver.ValidateDebug(c.Debug, &p)
	issuers.Validate(&c.Admins, &p, "admins")
	return p.Err()
}

func (c *Config) validateUsers(p *httpserver.Problems) {
	if c.Redis != nil {
		redisdb.Validate(c.Redis, p, "redis")
	}
	if c.Users == nil {
		return
	}
	validateUserListener(c.Users, p)
	if c.Redis == nil {
		p.Add("redis", "write where the wrapper's own Redis is: it holds users' sessions")
	}
}

func (c *Config) grace() time.Duration { return time.Duration(c.ShutdownGraceSeconds) * time.Second }
