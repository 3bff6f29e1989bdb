package backend

import (
	"net/url"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/registry"
	"github.com/openimstack/openim-operator/wrapper/serve"
)

// Config is the backend's configuration file.
type Config struct {
	// Listen is where the gateway reaches the backend, host:port.
	Listen    string          `json:"listen"`
	Telemetry serve.Telemetry `json:"telemetry"`
	// Debug is net/http/pprof on a loopback address; empty: none.
	Debug   serve.Debug   `json:"debug,omitzero"`
	Tracing serve.Tracing `json:"tracing,omitzero"`
	// AssertionKeyFile holds the key that gateway and backend share, 32 to 1024 bytes.
	AssertionKeyFile string `json:"assertionKeyFile"`
	OpenIM           OpenIM `json:"openim"`
	// Redis, MongoDB and CustodyKeyFile serve users. They stand all or none; without them users are answered 503.
	Redis   *redisdb.Config  `json:"redis,omitempty"`
	MongoDB *registry.Config `json:"mongodb,omitempty"`
	// CustodyKeyFile holds the keys that seal what is stored of users: custody.KeyFile.
	CustodyKeyFile string `json:"custodyKeyFile,omitempty"`
	// ShutdownGraceSeconds bounds a stop, requests in flight included.
	ShutdownGraceSeconds int32 `json:"shutdownGraceSeconds"`
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
	if err := serve.DecodeYAML(data, &c); err != nil {
		return Config{}, err
	}
	return c, c.validate()
}

func (c *Config) validate() error {
	var p serve.Problems
	p.Listen("listen", c.Listen)
	p.Listen("telemetry.listen", c.Telemetry.Listen)
	p.File("assertionKeyFile", c.AssertionKeyFile)
	p.BaseURL("openim.apiURL", c.OpenIM.APIURL)
	p.Text("openim.adminUserID", c.OpenIM.AdminUserID, 64)
	p.File("openim.secretFile", c.OpenIM.SecretFile)
	c.Debug.Validate(&p)
	c.Tracing.Validate(&p)
	c.validateUsers(&p)
	p.GraceSeconds("shutdownGraceSeconds", c.ShutdownGraceSeconds)
	return p.Err()
}

// servesUsers is true when all that users need is configured.
func (c *Config) servesUsers() bool { return c.Redis != nil }

func (c *Config) validateUsers(p *serve.Problems) {
	if c.Redis == nil && c.MongoDB == nil && c.CustodyKeyFile == "" {
		return
	}
	if c.Redis == nil || c.MongoDB == nil || c.CustodyKeyFile == "" {
		p.Add("redis, mongodb, custodyKeyFile", "write all three of them, or none when there are no users")
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
	if _, err := policy.ParseRelease(c.OpenIM.Release); err != nil {
		p.Add("openim.release", "write OpenIM's release, such as v3.8.3-patch.16: %v", err)
	}
	externalURL(p, "openim.externalURL", c.OpenIM.ExternalURL)
	if c.OpenIM.ObjectURL != "" {
		externalURL(p, "openim.objectURL", c.OpenIM.ObjectURL)
	}
}

// externalURL wants http or https, a host, and at most a path.
func externalURL(p *serve.Problems, field, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" ||
		strings.ContainsAny(text, " \"\\?#") || strings.HasSuffix(text, "/") {
		p.Add(field, "write https://host or https://host/path without a slash at the end")
	}
}

func (c *Config) grace() time.Duration { return time.Duration(c.ShutdownGraceSeconds) * time.Second }
