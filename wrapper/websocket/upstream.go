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

// dialer opens WebSockets to msggateway. The query contains OpenIM's token. Therefore dialer returns no error of the libraries, which
// contain the URL.
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
			// Each connection becomes one WebSocket, and its buffers last as long. coder/websocket has its own.
			DisableKeepAlives: true, DisableCompression: true, ReadBufferSize: 512, WriteBufferSize: 512,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// refusedByOpenIM is the error of an envelope instead of an upgrade.
type refusedByOpenIM struct{ code int }

func (e *refusedByOpenIM) Error() string {
	return fmt.Sprintf("connecting to msggateway: refused with errCode %d", e.code)
}

// RefusalOf returns the errCode with which msggateway refused a connection instead of upgrading it. ok is false for other errors.
func RefusalOf(err error) (code int, ok bool) {
	refusal, ok := errors.AsType[*refusedByOpenIM](err)
	if !ok {
		return 0, false
	}
	return refusal.code, true
}

// DialOpenIM opens one WebSocket to msggateway at ws://host:port or wss://host:port, with a token of OpenIM's, as the relay does it. Its
// errors contain neither the URL nor the token.
func DialOpenIM(ctx context.Context, address, userID string, platformID int32, token string, e frame.Encoding) (*websocket.Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("connecting to msggateway: its address is no URL: write ws://host:port")
	}
	d := newDialer(u, nil, nil, defaultTiming)
	return d.once(ctx, Identity{UserID: userID, PlatformID: platformID}, connectParams{operationID: wire.NewRequestID(), encoding: e}, token)
}

// dial opens a WebSocket as the user. If OpenIM refuses the token, dial gets another one, once.
func (d *dialer) dial(ctx context.Context, id Identity, c connectParams) (*websocket.Conn, error) {
	token, hash, err := d.tokens.Token(ctx, id, "")
	if err != nil {
		return nil, fmt.Errorf("getting OpenIM's token: %w", err)
	}
	conn, err := d.once(ctx, id, c, token)
	var refusal *refusedByOpenIM
	if !errors.As(err, &refusal) || !wire.IsTokenError(refusal.code) {
		return conn, err
	}
	if token, _, err = d.tokens.Token(ctx, id, hash); err != nil {
		return nil, fmt.Errorf("getting another token of OpenIM: %w", err)
	}
	return d.once(ctx, id, c, token)
}

// once sends all parameters of the supported releases in a form that each of them accepts. The WebSocket has the client's encoding, so
// that replies can be passed on unchanged.
func (d *dialer) once(ctx context.Context, id Identity, c connectParams, token string) (*websocket.Conn, error) {
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
	options := &websocket.DialOptions{HTTPClient: d.client}
	conn, resp, err := websocket.Dial(ctx, target.String(), options) //nolint:bodyclose // the library closes it
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
		// coder/websocket keeps the first 1024 bytes only. A stack trace can cut the JSON off, so that errCode parses the first member by
		// itself.
		if code, ok := errCode(body); ok {
			return nil, &refusedByOpenIM{code}
		}
		if json.Unmarshal(body, &envelope) == nil && envelope.ErrCode != wire.CodeOK {
			return nil, &refusedByOpenIM{envelope.ErrCode}
		}
	}
	return nil, fmt.Errorf("connecting to msggateway: HTTP status %d", resp.StatusCode)
}

// errCode decodes the first member of an envelope, which may be cut off after it.
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

// withoutURL returns the cause of a failed dial without the URL.
func withoutURL(err error) error {
	if inURL, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("connecting to msggateway: %w", inURL.Err)
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return fmt.Errorf("connecting to msggateway: %w", context.DeadlineExceeded)
	}
	return errors.New("connecting to msggateway: the upgrade failed")
}
