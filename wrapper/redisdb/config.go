package redisdb

import (
	"fmt"
	"net"
	"regexp"
	"strconv"

	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// Config says where the wrapper's own Redis is. It is never OpenIM's: who reaches that one owns OpenIM.
type Config struct {
	// Addresses are host:port. More than one: nodes of a Redis Cluster, of which any may be missing.
	Addresses []string `json:"addresses"`
	// UsernameFile holds the ACL user's name. Empty: Username; both empty: Redis' default user.
	Username     string `json:"username,omitempty"`
	UsernameFile string `json:"usernameFile,omitempty"`
	// PasswordFile holds the password, 1 to 1024 bytes.
	PasswordFile string `json:"passwordFile"`
	// KeyPrefix stands before every key and channel, so that stacks can share one Redis. Example: im/chat:
	KeyPrefix string `json:"keyPrefix"`
	// Database is the number of the database. A Cluster has no other than 0.
	Database int `json:"database,omitempty"`
	// TLS absent: plain TCP. Present, even when empty: TLS 1.2 or newer with the server's name checked.
	TLS *TLS `json:"tls,omitempty"`
}

// TLS says whose certificates are believed.
type TLS struct {
	// CAFile holds PEM certificates. Empty: the system's roots.
	CAFile string `json:"caFile,omitempty"`
}

const (
	maxAddresses     = 32
	maxUsernameBytes = 128
	maxPasswordBytes = 1024
	maxDatabase      = 1023
)

// A prefix without braces leaves the choice of the Cluster's hash tag to the keys.
var prefixForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,126}:$`)

// Validate notes what is wrong with the configuration. It opens no file.
func (c *Config) Validate(p *httpserver.Problems, field string) {
	if len(c.Addresses) < 1 || len(c.Addresses) > maxAddresses {
		p.Add(field+".addresses", "write 1 to %d of them", maxAddresses)
	}
	for i, address := range c.Addresses {
		host, port, err := net.SplitHostPort(address)
		n, atoi := strconv.Atoi(port)
		if err != nil || host == "" || atoi != nil || n < 1 || n > 65535 {
			p.Add(fmt.Sprintf("%s.addresses[%d]", field, i), `write host:port, such as "redis:6379"`)
		}
	}
	if c.Username != "" {
		p.Text(field+".username", c.Username, maxUsernameBytes)
	}
	if c.UsernameFile != "" {
		p.File(field+".usernameFile", c.UsernameFile)
	}
	if c.Username != "" && c.UsernameFile != "" {
		p.Add(field+".username", "stands beside usernameFile: write one of the two")
	}
	p.File(field+".passwordFile", c.PasswordFile)
	if !prefixForm.MatchString(c.KeyPrefix) {
		p.Add(field+".keyPrefix", `write letters, digits and . _ / - with a colon at the end, at most 128 bytes, such as "im/chat:"`)
	}
	if c.Database < 0 || c.Database > maxDatabase || c.Database > 0 && len(c.Addresses) > 1 {
		p.Add(field+".database", "write 0 to %d, and 0 beside more than one address: a Redis Cluster has no other", maxDatabase)
	}
	if c.TLS != nil && c.TLS.CAFile != "" {
		p.File(field+".tls.caFile", c.TLS.CAFile)
	}
}
