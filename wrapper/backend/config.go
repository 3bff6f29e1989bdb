package backend

import (
	"time"

	"github.com/openimstack/openim-operator/wrapper/serve"
)

// Config is the backend's configuration file.
type Config struct {
	// Listen is where the gateway reaches the backend, host:port.
	Listen    string          `json:"listen"`
	Telemetry serve.Telemetry `json:"telemetry"`
	// AssertionKeyFile holds the key that gateway and backend share, 32 to 1024 bytes.
	AssertionKeyFile string `json:"assertionKeyFile"`
	OpenIM           OpenIM `json:"openim"`
	// ShutdownGraceSeconds bounds a stop, requests in flight included.
	ShutdownGraceSeconds int32 `json:"shutdownGraceSeconds"`
}

// OpenIM says where OpenIM's API is and how to be its administrator.
type OpenIM struct {
	APIURL      string `json:"apiURL"`
	AdminUserID string `json:"adminUserID"`
	// SecretFile holds OpenIM's share.secret.
	SecretFile string `json:"secretFile"`
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
	p.GraceSeconds("shutdownGraceSeconds", c.ShutdownGraceSeconds)
	return p.Err()
}

func (c *Config) grace() time.Duration { return time.Duration(c.ShutdownGraceSeconds) * time.Second }
