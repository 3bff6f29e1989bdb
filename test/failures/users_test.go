package failures

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

type object = map[string]any

const (
	// callTimeout exceeds all bounds of the table: a longer call hangs.
	callTimeout = 35 * time.Second
	maxReply    = 1 << 20
	iOS         = 1
)

// once makes each call over a new connection, like a new client, so that a probe sees the wrapper's answer and never the end of an old
// connection. Each call comes from its own address, because logins are limited by address.
var once = &http.Client{Timeout: callTimeout, Transport: &http.Transport{DisableKeepAlives: true, DialContext: fromAnywhere}}

// fromAnywhere connects from any address of this machine's own network (127.0.0.0/8, RFC 1122).
func fromAnywhere(ctx context.Context, network, address string) (net.Conn, error) {
	from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 0)}
	if _, err := rand.Read(from.IP[len(from.IP)-3:]); err != nil {
		return nil, err
	}
	from.IP[len(from.IP)-1] |= 1 // neither a network nor a broadcast address
	from.IP[len(from.IP)-1] &^= 128
	return (&net.Dialer{LocalAddr: from}).DialContext(ctx, network, address)
}

// reply is the result of a call.
type reply struct {
	status, code int
	data         json.RawMessage
	err          error
}

// ok reports whether the call succeeded.
func (r reply) ok() bool { return r.err == nil && r.status == http.StatusOK && r.code == 0 }

// String returns the table's text for the answer.
func (r reply) String() string {
	switch {
	case r.err != nil:
		return broken(r.err)
	case r.ok():
		return usual
	case r.status == http.StatusOK:
		return code(r.code)
	}
	return status(r.status)
}

func code(n int) string   { return fmt.Sprintf("errCode %d", n) }
func status(n int) string { return fmt.Sprint(n) }

// broken returns the table's text for a call without an answer.
func broken(err error) string {
	var slow net.Error
	if errors.Is(err, context.DeadlineExceeded) || errors.As(err, &slow) && slow.Timeout() {
		return "no answer"
	}
	return "no connection"
}

// kept reuses its connections, as an app does.
var kept = &http.Client{Timeout: callTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// post calls a URL with a session's token or an administrator's.
func post(ctx context.Context, url, token, bearer string, body any) reply {
	return send(ctx, once, url, token, bearer, body)
}

func send(ctx context.Context, by *http.Client, url, token, bearer string, body any) reply {
	content, err := json.Marshal(body)
	if err != nil {
		return reply{err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		return reply{err: err}
	}
	request.Header.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	request.Header.Set("operationID", "failures-"+rand.Text())
	if token != "" {
		request.Header.Set(wire.HeaderToken, token)
	}
	if bearer != "" {
		request.Header.Set(wire.HeaderAuthorization, wire.SchemeBearer+" "+bearer)
	}
	response, err := by.Do(request)
	if err != nil {
		return reply{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return reply{err: err}
	}
	var envelope wire.Envelope
	if err := json.Unmarshal(text, &envelope); err != nil {
		return reply{err: fmt.Errorf("HTTP %d without OpenIM's envelope: %.200q", response.StatusCode, text)}
	}
	return reply{status: response.StatusCode, code: envelope.ErrCode, data: envelope.Data}
}

// published returns the login's keys as a gateway publishes them.
func published(ctx context.Context, gateway string) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, gateway+wire.WellKnownPath, nil)
	if err != nil {
		return nil, err
	}
	response, err := once.Do(request)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return nil, err
	}
	document, err := handshake.DecodeWellKnown(text)
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, k := range document.Keys {
		keys = append(keys, k.Key)
	}
	return keys, nil
}

// user is a user with one device.
type user struct {
	s      *testEnv
	id     string
	device client.Device
	// session is the current session, and deviceID the device's ID.
	session  *client.Session
	deviceID string
}

// newID returns a new user ID.
func newID(name string) string { return name + strings.ToLower(rand.Text()[:10]) }

func newDevice(platform int32) (client.Device, error) {
	key, err := client.GenerateKey()
	return client.Device{Key: key, PlatformID: platform, Name: "failures"}, err
}

// client returns a login client for one replica.
func (s *testEnv) client(replica int) (*client.Client, error) {
	return client.New(client.Options{
		BaseURL: s.Frontend.Gateways[replica].Users, Audience: s.Frontend.URL, PinnedKeys: s.keys, Version: "failures", HTTPClient: once,
	})
}

// newcomer enrols a new device of a user at a replica.
func (s *testEnv) newcomer(ctx context.Context, admin chat.Admin, replica int, id string, platform int32) (*user, error) {
	issued, err := admin.IssueCode(ctx, id)
	if err != nil {
		return nil, err
	}
	device, err := newDevice(platform)
	if err != nil {
		return nil, err
	}
	c, err := s.client(replica)
	if err != nil {
		return nil, err
	}
	session, err := c.Enrol(ctx, issued.Code, device)
	if err != nil {
		return nil, err
	}
	return &user{s: s, id: id, device: device, session: session, deviceID: session.DeviceID}, nil
}

// must ends the test on an error of its preparation.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// login creates a new session at a replica.
func (p *user) login(ctx context.Context, replica int) (*client.Session, error) {
	c, err := p.s.client(replica)
	if err != nil {
		return nil, err
	}
	return c.Login(ctx, p.device)
}

// read reads the user's own profile from OpenIM with a session, at a replica.
func (s *testEnv) read(ctx context.Context, replica int, id, token string) reply {
	return post(ctx, s.Frontend.Gateways[replica].Users+wire.UserPrefix+"/user/get_users_info", token, "", object{"userIDs": []string{id}})
}

// who reads the session's own description at a replica. The gateway answers it without OpenIM.
func (s *testEnv) who(ctx context.Context, replica int, token string) reply {
	return post(ctx, s.Frontend.Gateways[replica].Users+wire.PathSession, token, "", object{})
}

// ticket requests a ticket at a replica.
func (s *testEnv) ticket(ctx context.Context, replica int, token string) (string, reply) {
	r := post(ctx, s.Frontend.Gateways[replica].Users+wire.PathTickets, token, "", object{})
	var data struct{ Ticket string }
	if r.ok() {
		r.err = json.Unmarshal(r.data, &data)
	}
	return data.Ticket, r
}

// open opens a socket at a replica with a ticket.
func (s *testEnv) open(ctx context.Context, replica int, session *client.Session, ticket string) (*chat.Socket, error) {
	return chat.Open(ctx, chat.Opening{
		URL:    "ws" + s.Frontend.Gateways[replica].Users[len("http"):] + wire.SocketPath,
		Client: &http.Client{}, Ticket: client.Ticket{Text: ticket}, UserID: session.UserID, PlatformID: session.PlatformID,
	})
}

// socket opens a socket with a new ticket.
func (s *testEnv) socket(ctx context.Context, replica int, session *client.Session) (*chat.Socket, error) {
	ticket, r := s.ticket(ctx, replica, session.Token())
	if !r.ok() {
		return nil, fmt.Errorf("no ticket: %s", r)
	}
	return s.open(ctx, replica, session, ticket)
}

// refusal returns the table's text for a refused socket.
func refusal(err error) string {
	var refused *chat.Refused
	if !errors.As(err, &refused) {
		return broken(err)
	}
	var envelope wire.Envelope
	if refused.Status == http.StatusOK && json.Unmarshal([]byte(refused.Body), &envelope) == nil {
		return code(envelope.ErrCode)
	}
	return status(refused.Status)
}

// answer returns the table's text for the result of a login.
func answer(err error) string {
	var said *client.Error
	switch {
	case err == nil:
		return usual
	case !errors.As(err, &said):
		return broken(err)
	case said.Status == http.StatusOK:
		return code(said.Code)
	}
	return status(said.Status)
}
