package client

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Options holds the gateway's address, and how the client authenticates the gateway.
type Options struct {
	// BaseURL is the gateway's address, such as https://im.example.com. A path prefix is permitted; user, query and
	// fragment are not.
	BaseURL string
	// PinnedKeys are the gateway's public keys, in the format of the gateway's key document and of Client.PinnedKeys: 32
	// bytes in base64url without padding. Without them, BaseURL must be https, and the keys of the first document that the
	// client fetches are pinned.
	PinnedKeys []string
	// Audience is the gateway's own origin, to which the login is bound. It differs from BaseURL when the program
	// connects by another address, for example through a tunnel. Default: the scheme and host of BaseURL.
	Audience string
	// HTTPClient sends the requests. The client copies it and follows no redirects. Default: a client with a timeout of
	// 15 seconds.
	HTTPClient *http.Client
	// Version is the version of the program, for the gateway's log. At most 64 bytes.
	Version string
}

// callTimeout limits each call, unless the caller's context ends sooner.
const callTimeout = 15 * time.Second

// Client calls one gateway. It is safe for concurrent use.
type Client struct {
	base     *url.URL
	audience string
	version  string
	http     *http.Client
	now      func() time.Time

	mu       sync.Mutex
	pins     []handshake.PublicKey
	document handshake.WellKnown
	fetched  time.Time
}

// New returns a client for one gateway. It sends no request. It returns an error when BaseURL or PinnedKeys are malformed,
// and when PinnedKeys is empty although BaseURL is not https.
func New(o Options) (*Client, error) {
	c, err := unpinned(o)
	if err != nil {
		return nil, err
	}
	if len(c.pins) == 0 && c.base.Scheme != schemeHTTPS {
		return nil, errors.New("checking the options: no PinnedKeys, and BaseURL is not https: set an https BaseURL, or PinnedKeys")
	}
	return c, nil
}

// PublishedKeys fetches the public keys that the gateway publishes, in the format of Options.PinnedKeys. It verifies nothing: the caller
// vouches that the connection ends at the gateway, as the one of a port-forward of Kubernetes does, whose other end the API server
// authenticates.
func PublishedKeys(ctx context.Context, o Options) ([]string, error) {
	c, err := unpinned(o)
	if err != nil {
		return nil, err
	}
	document, err := c.fetch(ctx)
	if err != nil {
		return nil, err
	}
	keys := make([]string, len(document.Keys))
	for i, key := range document.Keys {
		keys[i] = key.Key
	}
	return keys, nil
}

// unpinned returns a client that may have no pinned keys.
func unpinned(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, err
	}
	pins, err := parsePins(o.PinnedKeys)
	if err != nil {
		return nil, err
	}
	return &Client{
		base: base, audience: cmp.Or(o.Audience, base.Scheme+"://"+base.Host), version: o.Version,
		http: withoutRedirects(o.HTTPClient), pins: pins, now: time.Now,
	}, nil
}

// parseBase parses an address of a gateway.
func parseBase(text string) (*url.URL, error) {
	base, err := url.Parse(strings.TrimSuffix(text, "/"))
	if err != nil || base.Host == "" || base.Scheme != schemeHTTP && base.Scheme != schemeHTTPS ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("parsing BaseURL: invalid address: write https://host or http://host, with no user, query or fragment")
	}
	return base, nil
}

// withoutRedirects returns a copy of a client that follows no redirect: it would carry the credential to another address.
func withoutRedirects(c *http.Client) *http.Client {
	out := http.Client{Timeout: callTimeout}
	if c != nil {
		out = *c
	}
	out.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &out
}

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// APIAddr returns the address that an official OpenIM SDK takes as its API address, such as https://im.example.com/im/v1.
func (c *Client) APIAddr() string { return c.base.String() + wire.UserPrefix }

// WSAddr returns the address that an official OpenIM SDK takes as its WebSocket address, such as
// wss://im.example.com/im/v1/ws.
func (c *Client) WSAddr() string {
	ws := *c.base
	ws.Scheme = map[string]string{schemeHTTP: "ws", schemeHTTPS: "wss"}[c.base.Scheme]
	return ws.String() + wire.SocketPath
}

// PinnedKeys returns the gateway's public keys that the client trusts now. Save them, and pass them as Options.PinnedKeys at
// the next start of the program.
func (c *Client) PinnedKeys() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]string, len(c.pins))
	for i, key := range c.pins {
		list[i] = key.String()
	}
	return list
}

func parsePins(texts []string) ([]handshake.PublicKey, error) {
	var pins []handshake.PublicKey
	for _, text := range texts {
		key, err := handshake.ParsePublicKey(text)
		if err != nil {
			return nil, fmt.Errorf("parsing PinnedKeys: %w", err)
		}
		pins = append(pins, key)
	}
	return pins, nil
}
