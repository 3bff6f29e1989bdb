package backend

import (
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// Config is the backend's configuration file.
type Config struct {
	// Listen is where the gateway reaches the backend, host:port.
	Listen    string               `json:"listen"`
	Telemetry httpserver.Telemetry `json:"telemetry"`
	// Debug is net/http/pprof on a loopback address; empty: none.
	Debug   httpserver.Debug   `json:"debug,omitzero"`
	Tracing httpserver.Tracing `json:"tracing,omitzero"`
	// AssertionKeyFile holds the key that gateway and backend share, 32 to 1024 bytes.
	AssertionKeyFile string `json:"assertionKeyFile"`
	OpenIM           OpenIM `json:"openim"`
	// Admins says whose tokens make an administrator, as the gateway has it: each of the two verifies them by itself.
	Admins issuers.Admins `json:"admins"`
	// Users, Redis, MongoDB and CustodyKeyFile serve users. They stand all or none; without them users are answered 503.
	Users   *Users          `json:"users,omitempty"`
	Redis   *redisdb.Config `json:"redis,omitempty"`
	MongoDB *devices.Config `json:"mongodb,omitempty"`
	// CustodyKeyFile holds the keys that seal what is stored of users: tokenvault.KeyFile.
	CustodyKeyFile string `json:"custodyKeyFile,omitempty"`
	// ShutdownGraceSeconds bounds a stop, requests in flight included.
	ShutdownGraceSeconds int32 `json:"shutdownGraceSeconds"`
}

// Users is how users log in, and for how long.
type Users struct {
	// Audience is the origin under which clients know the gateway, such as https://im.example.com. It is part of every
	// login: a login made for one audience is worth nothing at another.
	Audience string `json:"audience"`
	// ServerKeysDir is a mounted folder with one to four static keys of the login, a file each.
	ServerKeysDir string `json:"serverKeysDir"`
	// Session is as the gateway has it.
	Session session.Limits `json:"session"`
}

// OpenIM says where OpenIM's API is and how to be its administrator.
type OpenIM struct {
	APIURL      string `json:"apiURL"`
	AdminUserID string `json:"adminUserID"`
	// SecretFile holds OpenIM's share.secret.
	SecretFile string `json:"secretFile"`
	// Release is OpenIM's, such as v3.8.3 or v3.8.3-patch.16. Wanted when there are users.
	Release string `json:"release,omitempty"`
	// ExternalURL is where users reach OpenIM's paths: https://host/im/v1. OpenIM puts it before the paths of objects. Wanted when
	// there are users.
	ExternalURL string `json:"externalURL,omitempty"`
	// ObjectURL is the object store as users reach it, the only place to which a download may be sent. Empty: there are no downloads.
	ObjectURL string `json:"objectURL,omitempty"`
	// ObjectPictures lets users have small pictures of objects made (type=image). openim-rpc-third decodes the whole object for it: 48 KB
	// of PNG can take 391 MiB of its memory. Off: the parameters are left out, and the object itself is read.
	ObjectPictures bool `json:"objectPictures,omitempty"`
}

// ParseConfig reads and checks a configuration. It opens none of the files it names.
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
	c.Admins.Validate(&p, "admins")
	c.Debug.Validate(&p)
	c.Tracing.Validate(&p)
	c.validateUsers(&p)
	p.GraceSeconds("shutdownGraceSeconds", c.ShutdownGraceSeconds)
	return p.Err()
}

// servesUsers is true when all that users need is configured.
func (c *Config) servesUsers() bool { return c.Users != nil }

func (c *Config) validateUsers(p *httpserver.Problems) {
	if c.Users == nil && c.Redis == nil && c.MongoDB == nil && c.CustodyKeyFile == "" {
		return
	}
	if c.Users == nil || c.Redis == nil || c.MongoDB == nil || c.CustodyKeyFile == "" {
		p.Add("users, redis, mongodb, custodyKeyFile", "write all four of them, or none when there are no users")
	}
	if c.Users != nil {
		c.Users.validate(p, "users")
	}
	if c.Redis != nil {
		c.Redis.Validate(p, "redis")
	}
	if c.MongoDB != nil {
		c.MongoDB.Validate(p, "mongodb")
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

func (u *Users) validate(p *httpserver.Problems, at string) {
	if !httpserver.IsOrigin(u.Audience, "https", "http") {
		p.Add(at+".audience", "write the origin under which clients reach the gateway, such as https://im.example.com, without path, user or query")
	}
	if !filepath.IsAbs(u.ServerKeysDir) || filepath.Clean(u.ServerKeysDir) != u.ServerKeysDir {
		p.Add(at+".serverKeysDir", "write the absolute path of the folder that holds the login's keys")
	}
	u.Session.Validate(p, at+".session")
}

// externalURL wants http or https, a host, and at most a path.
func externalURL(p *httpserver.Problems, field, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(text, " \"\\?#") || strings.HasSuffix(text, "/") {
		p.Add(field, "write https://host or https://host/path without a slash at the end")
	}
}

func (c *Config) grace() time.Duration { return time.Duration(c.ShutdownGraceSeconds) * time.Second }
