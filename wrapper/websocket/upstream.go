package websocket

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// dialer opens sockets to msggateway. The query holds OpenIM's token, so no error of the libraries' is passed on: they repeat the URL.
type dialer struct {
	base   url.URL
	client *http.Client
	tokens Upstream
}

func newDialer(u *url.URL, config *tls.Config, tokens Upstream, t timing) dialer {
	network := net.Dialer{Timeout: t.connect / 2, KeepAlive: 30 * time.Second}
	return dialer{base: *u, tokens: tokens, client: &http.Client{
		Transport: &http.Transport{
			DialContext: network.DialContext, TLSClientConfig: config, TLSHandshakeTimeout: t.connect / 2,
			ResponseHeaderTimeout: t.connect, MaxResponseHeaderBytes: 16 << 10,
			// Each connection becomes one socket; its buffers live as long. coder/websocket brings its own.
			DisableKeepAlives: true, DisableCompression: true, ReadBufferSize: 512, WriteBufferSize: 512,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// refusedByOpenIM is an envelope instead of an upgrade.
type refusedByOpenIM struct{ code int }

func (e *refusedByOpenIM) Error() string {
	return fmt.Sprintf("msggateway refused the connection with errCode %d", e.code)
}

// dial opens a socket as the user. A token that OpenIM refuses is renewed once.
func (d *dialer) dial(ctx context.Context, id Identity, c connect) (*websocket.Conn, error) {
	token, hash, err := d.tokens.Token(ctx, id, "")
	if err != nil {
		return nil, fmt.Errorf("get OpenIM's token: %w", err)
	}
	conn, err := d.once(ctx, id, c, token)
	var refusal *refusedByOpenIM
	if !errors.As(err, &refusal) || !wire.IsTokenError(refusal.code) {
		return conn, err
	}
	if token, _, err = d.tokens.Token(ctx, id, hash); err != nil {
		return nil, fmt.Errorf("get another of OpenIM's tokens: %w", err)
	}
	return d.once(ctx, id, c, token)
}

// once sends every parameter that one of the supported releases asks for, in the form that all of them read. The socket has the
// client's own encoding, so that replies are passed on as they come.
func (d *dialer) once(ctx context.Context, id Identity, c connect, token string) (*websocket.Conn, error) {
	sdk := sdkGo
	if c.encoding.JSON {
		sdk = sdkJS
	}
	query := url.Values{
		paramUser: {id.UserID}, paramToken: {token}, paramPlatform: {strconv.Itoa(int(id.PlatformID))},
		paramOperation: {c.operationID}, paramBackground: {strconv.FormatBool(c.background)}, paramSDK: {sdk},
	}
	if c.encoding.Gzip {
		query.Set(paramCompression, withGzip)
	}
	target := d.base
	target.Path, target.RawQuery = "/", query.Encode()
	conn, resp, err := websocket.Dial(ctx, target.String(), &websocket.DialOptions{HTTPClient: d.client}) //nolint:bodyclose // the library closes it
	if err == nil {
		conn.SetReadLimit(frame.MaxReply)
		return conn, nil
	}
	if resp == nil {
		return nil, withoutURL(err)
	}
	var envelope wire.Envelope
	body, readErr := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if readErr == nil && len(body) > 0 {
		// coder/websocket keeps the first 1024 bytes; a stack trace may have broken the JSON off, so the code is looked for by hand.
		if code, ok := errCode(body); ok {
			return nil, &refusedByOpenIM{code}
		}
		if json.Unmarshal(body, &envelope) == nil && envelope.ErrCode != wire.CodeOK {
			return nil, &refusedByOpenIM{envelope.ErrCode}
		}
	}
	return nil, fmt.Errorf("msggateway answered the upgrade with status %d", resp.StatusCode)
}

// errCode reads the first member of an envelope, which may break off anywhere behind it.
func errCode(body []byte) (int, bool) {
	var head struct {
		ErrCode *int `json:"errCode"`
	}
	for end := range body {
		if body[end] == ',' && json.Unmarshal(append(append([]byte(nil), body[:end]...), '}'), &head) == nil && head.ErrCode != nil {
			return *head.ErrCode, *head.ErrCode != wire.CodeOK
		}
	}
	return 0, false
}

// withoutURL keeps of a failed dial what is beneath the URL.
func withoutURL(err error) error {
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("connect to msggateway: %w", inURL.Err)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("connect to msggateway: %w", context.DeadlineExceeded)
	}
	return errors.New("connect to msggateway: the upgrade failed")
}
