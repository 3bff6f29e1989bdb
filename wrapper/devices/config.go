package devices

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/mongouri"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// Config configures the connection to MongoDB.
type Config = config.MongoDB

const (
	maxURIBytes      = 4096
	maxAddresses     = 50
	maxNameBytes     = 128
	maxPasswordBytes = 1024
	maxDatabaseBytes = 63
	maxOptions       = 32
	maxOptionsBytes  = 8192
)

// Validate adds a problem for each invalid value. It opens no file.
func Validate(c *Config, p *httpserver.Problems, field string) {
	switch {
	case c.URIFile == "" && len(c.Addresses) == 0:
		p.Add(field, "write uriFile, or addresses")
	case c.URIFile != "" && (len(c.Addresses) > 0 || c.UsernameFile != "" || c.PasswordFile != ""):
		p.Add(field+".uriFile", "is set together with addresses or credentials: write one of the two")
	case c.URIFile != "":
		p.File(field+".uriFile", c.URIFile)
	}
	if len(c.Addresses) > maxAddresses {
		p.Add(field+".addresses", "write at most %d of them", maxAddresses)
	}
	for i, address := range c.Addresses {
		host, port, err := net.SplitHostPort(address)
		n, atoi := strconv.Atoi(port)
		if err != nil || host == "" || atoi != nil || n < 1 || n > 65535 || strings.ContainsAny(host, "/@,? ") {
			p.Add(fmt.Sprintf("%s.addresses[%d]", field, i), `write host:port, such as "mongodb:27017"`)
		}
	}
	if values, err := url.ParseQuery(c.Options); err != nil || len(c.Options) > maxOptionsBytes || len(values) > maxOptions {
		p.Add(field+".options", "write at most %d of name=value, joined by & and escaped for a URL, in %d bytes", maxOptions, maxOptionsBytes)
	}
	if (c.UsernameFile == "") != (c.PasswordFile == "") {
		p.Add(field+".usernameFile", "write both usernameFile and passwordFile, or neither")
	}
	if c.UsernameFile != "" && c.PasswordFile != "" {
		p.File(field+".usernameFile", c.UsernameFile)
		p.File(field+".passwordFile", c.PasswordFile)
	}
	validateName(p, field+".database", c.Database)
	if c.AuthSource != "" {
		validateName(p, field+".authSource", c.AuthSource)
	}
	if c.AuthSource != "" && c.UsernameFile == "" {
		p.Add(field+".authSource", "is the authentication database of usernameFile: write usernameFile and passwordFile, or remove it")
	}
}

func validateName(p *httpserver.Problems, field, name string) {
	p.Text(field, name, maxDatabaseBytes)
	if strings.ContainsAny(name, `/\. "$*<>:|?`) {
		p.Add(field, "write a valid name of a MongoDB database: no dots, slashes or signs")
	}
}

// Source watches the files and returns the connection string. It is nil when there is no file to read.
func Source(c *Config) *filewatch.Source[string] {
	const name = "mongodb"
	switch {
	case c.URIFile != "":
		return filewatch.New(name, withOptions(c.Options), c.URIFile)
	case c.UsernameFile != "":
		return filewatch.New(name, withCredentials(c), c.UsernameFile, c.PasswordFile)
	}
	return nil
}

// Address returns the source, or the fixed connection string when there is none.
func Address(c *Config, source *filewatch.Source[string]) URI {
	if source != nil {
		return source
	}
	return fixedURI(uri(c, nil))
}

type fixedURI string

func (f fixedURI) Get() (string, error) { return string(f), nil }

func withOptions(options string) func([][]byte) (string, error) {
	return func(contents [][]byte) (string, error) {
		text := strings.TrimSpace(string(contents[0]))
		if len(text) > maxURIBytes || !strings.HasPrefix(text, "mongodb://") && !strings.HasPrefix(text, "mongodb+srv://") {
			return "", errors.New("holds no connection string: write mongodb://... of at most 4096 bytes")
		}
		return text + mongouri.Suffix(text, options), nil
	}
}

func withCredentials(c *Config) func([][]byte) (string, error) {
	return func(contents [][]byte) (string, error) {
		name, err := filewatch.Text(1, maxNameBytes)(contents[:1])
		if err != nil {
			return "", err
		}
		password, err := filewatch.Text(1, maxPasswordBytes)(contents[1:])
		if err != nil {
			return "", err
		}
		return uri(c, url.UserPassword(string(name), string(password))), nil
	}
}

func uri(c *Config, user *url.Userinfo) string {
	u := url.URL{Scheme: "mongodb", User: user, Host: strings.Join(c.Addresses, ","), Path: "/" + c.Database}
	if c.AuthSource != "" {
		u.RawQuery = url.Values{"authSource": {c.AuthSource}}.Encode()
	}
	text := u.String()
	return text + mongouri.Suffix(text, c.Options)
}
