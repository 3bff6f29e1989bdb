package client

import (
	"cmp"
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

// Options say which gateway, and how to know it.
type Options struct {
	// BaseURL is the gateway's address, such as https://im.example.com.
	BaseURL string
	// PinnedKeys are the gateway's public keys, as its key document and Client.PinnedKeys have them. With none, BaseURL
	// must be https, and the keys of the first document are pinned.
	PinnedKeys []string
	// Audience is the origin by which the gateway knows itself. Default: BaseURL's.
	Audience string
	// HTTPClient makes the calls. Its redirects are never followed. Default: one with a timeout of 15 seconds.
	HTTPClient *http.Client
	// Version of the program, for the gateway's log; at most 64 bytes.
	Version string
}

// callTimeout bounds each call, when the caller's context does not end sooner.
const callTimeout = 15 * time.Second

// Client speaks to one gateway. It may be used by several goroutines.
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

// New makes a client. It calls nobody.
func New(o Options) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(o.BaseURL, "/"))
	if err != nil || base.Host == "" || base.Scheme != schemeHTTP && base.Scheme != schemeHTTPS ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New("BaseURL must be https://host or http://host, with no user, query or fragment")
	}
	pins, err := parsePins(o.PinnedKeys)
	if err != nil {
		return nil, err
	}
	if len(pins) == 0 && base.Scheme != schemeHTTPS {
		return nil, errors.New("without PinnedKeys the gateway's keys must be fetched over https: write an https BaseURL, or the keys")
	}
	own := http.Client{Timeout: callTimeout}
	if o.HTTPClient != nil {
		own = *o.HTTPClient
	}
	// A credential goes where it was meant to go, and nowhere else.
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{
		base: base, audience: cmp.Or(o.Audience, base.Scheme+"://"+base.Host), version: o.Version,
		http: &own, pins: pins, now: time.Now,
	}, nil
}

const (
	schemeHTTP  = "http"
	schemeHTTPS = "https"
)

// APIAddr is what an official OpenIM SDK takes as its API address.
func (c *Client) APIAddr() string { return c.base.String() + wire.UserPrefix }

// WSAddr is what an official OpenIM SDK takes as its WebSocket address.
func (c *Client) WSAddr() string {
	ws := *c.base
	ws.Scheme = map[string]string{schemeHTTP: "ws", schemeHTTPS: "wss"}[c.base.Scheme]
	return ws.String() + wire.SocketPath
}

// PinnedKeys are the gateway's keys that are believed now. Keep them for the next start of the program.
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
			return nil, fmt.Errorf("PinnedKeys: %w", err)
		}
		pins = append(pins, key)
	}
	return pins, nil
}
