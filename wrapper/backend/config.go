package backend

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// Config is the backend's configuration file, with the defaults of absent fields.
type Config config.Backend

// Parts of the configuration, as package config declares them.
type (
	// Users configures how users log in, and how long they stay logged in.
	Users = config.Login
	// OpenIM holds the address of OpenIM's API, and the credentials of its administrator.
	OpenIM = config.OpenIM
)

// ParseConfig parses a configuration, sets defaults and validates the result. It opens none of the files that the configuration names.
func ParseConfig(data []byte) (Config, error) {
	var c Config
	if err := httpserver.DecodeYAML(data, &c); err != nil {
		return Config{}, err
	}
	if c.Users != nil {
		c.Users.Session.Fill()
	}
	return c, c.validate()
}

func (c *Config) validate() error {
	var p httpserver.Problems
	p.Listen("listen", c.Listen)
	p.Listen("telemetry.listen", c.Telemetry.Listen)
	p.File("assertionKeyFile", c.AssertionKeyFile)
	p.BaseURL("openim.apiURL", c.OpenIM.APIURL)
	p.Text("openim.adminUserID", c.OpenIM.AdminUserID, 64)
	p.File("openim.secretFile", c.OpenIM.SecretFile)
	if c.OpenIM.PreviousSecretFile != "" {
		p.File("openim.previousSecretFile", c.OpenIM.PreviousSecretFile)
	}
	issuers.Validate(&c.Admins, &p, "admins")
	httpserver.ValidateDebug(c.Debug, &p)
	httpserver.ValidateTracing(c.Tracing, &p)
	c.validateUsers(&p)
	p.GraceSeconds("shutdownGraceSeconds", c.ShutdownGraceSeconds)
	return p.Err()
}

// servesUsers reports whether everything that users need is configured.
func (c *Config) servesUsers() bool { return c.Users != nil }

func (c *Config) validateUsers(p *httpserver.Problems) {
	if c.Users == nil && c.Redis == nil && c.MongoDB == nil && c.CustodyKeyFile == "" {
		return
	}
	if c.Users == nil || c.Redis == nil || c.MongoDB == nil || c.CustodyKeyFile == "" {
		p.Add("users, redis, mongodb, custodyKeyFile", "write all four of them, or none when there are no users")
	}
	if c.Users != nil {
		validateLogin(c.Users, p, "users")
	}
	if c.Redis != nil {
		redisdb.Validate(c.Redis, p, "redis")
	}
	if c.MongoDB != nil {
		devices.Validate(c.MongoDB, p, "mongodb")
	}
	if c.CustodyKeyFile != "" {
		p.File("custodyKeyFile", c.CustodyKeyFile)
	}
	if _, err := routes.ParseRelease(c.OpenIM.Release); err != nil {
		p.Add("openim.release", "write OpenIM's release, such as v3.8.3-patch.16: %v", err)
	}
	externalURL(p, "openim.externalURL", c.OpenIM.ExternalURL)
	if c.OpenIM.ObjectURL != "" {
		externalURL(p, "openim.objectURL", c.OpenIM.ObjectURL)
	}
}

func validateLogin(u *Users, p *httpserver.Problems, at string) {
	if !httpserver.IsOrigin(u.Audience, "https", "http") {
		p.Add(at+".audience",
			"write the origin under which clients reach the gateway, such as https://im.example.com, without path, user or query")
	}
	if !filepath.IsAbs(u.ServerKeysDir) || filepath.Clean(u.ServerKeysDir) != u.ServerKeysDir {
		p.Add(at+".serverKeysDir", "write the absolute path of the folder that holds the login's keys")
	}
	session.ValidateLimits(&u.Session, p, at+".session")
}

// externalURL requires http or https, a host, and at most a path.
func externalURL(p *httpserver.Problems, field, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" ||
		u.Fragment != "" || strings.ContainsAny(text, " \"\\?#") || strings.HasSuffix(text, "/") {
		p.Add(field, "write https://host or https://host/path without a slash at the end")
	}
}

func (c *Config) grace() time.Duration { return time.Duration(c.ShutdownGraceSeconds) * time.Second }
