package gateway

import (
	"time"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
)

// Config is the gateway's configuration file.
type Config struct {
	Admin     AdminListener        `json:"admin"`
	Telemetry httpserver.Telemetry `json:"telemetry"`
	Backend   Backend              `json:"backend"`
	Admins    issuers.Admins       `json:"admins"`
	// Users is the users' door; absent: none.
	Users *Users `json:"users,omitempty"`
	// Redis is the wrapper's own, needed by the users' door. It is never OpenIM's: whoever reaches that owns OpenIM.
	Redis *redisdb.Config `json:"redis,omitempty"`
	// HotFile holds what may change without a restart (Hot). Absent: its defaults.
	HotFile string             `json:"hotFile,omitempty"`
	Audit   Audit              `json:"audit,omitzero"`
	Tracing httpserver.Tracing `json:"tracing,omitzero"`
	Debug   httpserver.Debug   `json:"debug,omitzero"`
	// ShutdownGraceSeconds bounds a stop, requests in flight included.
	ShutdownGraceSeconds int32 `json:"shutdownGraceSeconds"`
}

// AdminListener is where administrators call.
type AdminListener struct {
	// Listen is host:port.
	Listen string `json:"listen"`
	TLS    TLS    `json:"tls"`
	// ConnectionsPerAddress bounds what one address holds open at once; trustedProxies are not bounded. An IPv6 /64 is one address, a /56 has
	// twice and a /48 four times as many. Default 256.
	ConnectionsPerAddress int32 `json:"connectionsPerAddress,omitempty"`
}

// TLS names a certificate chain and its key in PEM. Both empty: plain HTTP, with TLS ended before the gateway.
type TLS struct {
	CertFile string `json:"certFile"`
	KeyFile  string `json:"keyFile"`
}

// Backend says where the backend is.
type Backend struct {
	URL string `json:"url"`
	// AssertionKeyFile holds the key that gateway and backend share, 32 to 1024 bytes.
	AssertionKeyFile string `json:"assertionKeyFile"`
}

// ParseConfig reads and checks a configuration. It opens none of the files it names.
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
		c.Users.fill()
	}
	if c.Audit.Path == "" {
		c.Audit.Path = auditStdout
	}
}

func (c *Config) validate() error {
	var p httpserver.Problems
	p.Listen("admin.listen", c.Admin.Listen)
	c.Admin.TLS.validate(&p, "admin.tls")
	between(&p, "admin.connectionsPerAddress", c.Admin.ConnectionsPerAddress, 0, maxConnectionsAllowed)
	p.Listen("telemetry.listen", c.Telemetry.Listen)
	p.BaseURL("backend.url", c.Backend.URL)
	p.File("backend.assertionKeyFile", c.Backend.AssertionKeyFile)
	p.GraceSeconds("shutdownGraceSeconds", c.ShutdownGraceSeconds)
	c.validateUsers(&p)
	if c.HotFile != "" {
		p.File("hotFile", c.HotFile)
	}
	c.Audit.validate(&p)
	c.Tracing.Validate(&p)
	c.Debug.Validate(&p)
	c.Admins.Validate(&p, "admins")
	return p.Err()
}

func (c *Config) validateUsers(p *httpserver.Problems) {
	if c.Redis != nil {
		c.Redis.Validate(p, "redis")
	}
	if c.Users == nil {
		return
	}
	c.Users.validate(p)
	if c.Redis == nil {
		p.Add("redis", "write where the wrapper's own Redis is: users' sessions live there")
	}
}

func (c *Config) grace() time.Duration { return time.Duration(c.ShutdownGraceSeconds) * time.Second }
