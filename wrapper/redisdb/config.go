package redisdb

import (
	"fmt"
	"net"
	"regexp"
	"strconv"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// Config is the address of the wrapper's own Redis. It must not be OpenIM's Redis: a client of that one controls OpenIM.
type Config = config.Redis

// TLS selects the trusted certificates.
type TLS = config.RedisTLS

const (
	maxAddresses     = 32
	maxUsernameBytes = 128
	maxPasswordBytes = 1024
	maxDatabase      = 1023
)

// prefixForm matches a valid key prefix. It has no braces: a hash tag in the prefix would override the hash tags of the keys.
var prefixForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]{0,126}:$`)

// Validate adds the configuration's faults to p. It opens no file.
func Validate(c *Config, p *httpserver.Problems, field string) {
	if len(c.Addresses) < 1 || len(c.Addresses) > maxAddresses {
		p.Add(field+".addresses", "write 1 to %d addresses", maxAddresses)
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
		p.Add(field+".username", "set together with usernameFile: write one of the two")
	}
	p.File(field+".passwordFile", c.PasswordFile)
	if !prefixForm.MatchString(c.KeyPrefix) {
		p.Add(field+".keyPrefix", `write letters, digits and . _ / - with a colon at the end, at most 128 bytes, such as "im/chat:"`)
	}
	if c.Database < 0 || c.Database > maxDatabase || c.Database > 0 && (c.Cluster || len(c.Addresses) > 1) {
		p.Add(field+".database", "write 0 to %d, and 0 with cluster or more than one address: a Redis Cluster has only 0", maxDatabase)
	}
	if c.TLS != nil && c.TLS.CAFile != "" {
		p.File(field+".tls.caFile", c.TLS.CAFile)
	}
}
