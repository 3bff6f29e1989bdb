package client_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/login"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// gateway is a test gateway in this process: its login is package login's, and its stores are in memory.
type gateway struct {
	*httptest.Server
	dir     string
	keys    *filewatch.Source[*login.ServerKeys]
	service *login.Service

	mu       sync.Mutex
	states   map[string][]byte
	codes    map[string]internalapi.IssueCode
	psks     map[string][]byte
	devices  []*internalapi.Device
	sessions map[string]*testSession // by token
	paths    []string                // the paths of all calls
	// fail holds handlers that replace the gateway's own, by path.
	fail map[string]http.HandlerFunc
}

type testSession struct {
	id, userID, deviceID string
	platform             int32
	made                 time.Time
	revoked              bool
}

// newGateway starts a gateway. Without audience, the gateway's audience is its address.
func newGateway(serve func(http.Handler) *httptest.Server, audience string) (*gateway, error) {
	dir, err := os.MkdirTemp("", "login-keys") // an Example has no testing.T with a TempDir
	if err != nil {
		return nil, err
	}
	g := &gateway{
		dir: dir, keys: login.NewKeys(dir),
		states: map[string][]byte{}, codes: map[string]internalapi.IssueCode{}, psks: map[string][]byte{},
		sessions: map[string]*testSession{},
		fail:     map[string]http.HandlerFunc{},
	}
	if err = g.addKey("1"); err != nil {
		return nil, err
	}
	g.Server = serve(g)
	if audience == "" {
		audience = g.URL
	}
	g.service, err = login.New(login.Options{Audience: audience, Keys: g.keys, States: g, Registry: g, Sessions: g, Idle: time.Hour})
	return g, err
}

// Close stops the gateway and removes its keys.
func (g *gateway) Close() {
	g.Server.Close()
	_ = os.RemoveAll(g.dir)
}

func (g *gateway) addKey(name string) error {
	raw := make([]byte, handshake.KeyBytes)
	_, _ = rand.Read(raw)
	if err := os.WriteFile(filepath.Join(g.dir, name), []byte(base64.RawURLEncoding.EncodeToString(raw)), 0o600); err != nil {
		return err
	}
	_, err := g.keys.Reload()
	return err
}

func (g *gateway) removeKey(name string) error {
	if err := os.Remove(filepath.Join(g.dir, name)); err != nil {
		return err
	}
	_, err := g.keys.Reload()
	return err
}

// publicKeys returns the keys that an app would be shipped with.
func (g *gateway) publicKeys() (list []string) {
	document, err := g.service.WellKnown()
	if err != nil {
		return nil
	}
	for _, k := range document.Keys {
		list = append(list, k.Key)
	}
	return list
}

// issue returns an enrolment code, as an administrator's call would.
func (g *gateway) issue(userID string) string {
	code := handshake.NewCode()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.codes[code.ID()], g.psks[code.ID()] = internalapi.IssueCode{UserID: userID}, code.PSK()
	return code.Reveal()
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.paths = append(g.paths, r.URL.Path)
	fail := g.fail[r.URL.Path]
	g.mu.Unlock()
	if fail != nil {
		fail(w, r)
		return
	}
	if r.URL.Path == wire.WellKnownPath {
		document, err := g.service.WellKnown()
		g.answer(w, nil, err, document)
		return
	}
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<16))
	token, _, _ := wire.Bearer(r.Header)
	data, err := g.route(r.Context(), r.URL.Path, token, body)
	g.answer(w, data, err, nil)
}

// answer writes a reply, and maps errors to replies as the gateway does.
func (g *gateway) answer(w http.ResponseWriter, data any, err error, plain any) {
	failure := wire.Failure{Status: http.StatusOK, Text: "no"}
	switch {
	case err == nil && plain != nil:
		_ = json.NewEncoder(w).Encode(plain)
		return
	case err == nil:
		text, _ := json.Marshal(data)
		wire.WriteEnvelope(w, http.StatusOK, wire.Envelope{Data: text})
		return
	case errors.Is(err, login.ErrRefused):
		failure.ErrCode, failure.Text = wire.CodeTokenInvalid, login.ErrRefused.Error()
	case errors.Is(err, login.ErrBusy):
		failure = wire.Busy
	case errors.Is(err, login.ErrUnavailable):
		failure = wire.Unavailable
	case errors.As(err, &failure):
	default:
		failure.ErrCode = wire.CodeArgs
	}
	wire.WriteFailure(w, failure)
}

func (g *gateway) route(ctx context.Context, path, token string, body []byte) (any, error) {
	switch path {
	case wire.PathLoginStart:
		request, err := handshake.DecodeStart(body)
		if err != nil {
			return nil, err
		}
		reply, _, err := g.service.Start(ctx, request, netip.Addr{})
		return reply, err
	case wire.PathLoginFinish:
		request, err := handshake.DecodeFinish(body)
		if err != nil {
			return nil, err
		}
		reply, _, err := g.service.Finish(ctx, request, g.caller(token))
		return reply, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[token]
	if s == nil {
		return nil, wire.Failure{Status: http.StatusOK, ErrCode: wire.CodeTokenNotExist, Text: "log in first"}
	}
	if s.revoked {
		return nil, wire.Failure{Status: http.StatusOK, ErrCode: wire.CodeTokenKicked, Text: "the session was revoked"}
	}
	return g.own(path, s, body)
}

// own serves the routes that need a session.
func (g *gateway) own(path string, s *testSession, body []byte) (any, error) {
	var in struct {
		Scope, DeviceID string
		PlatformID      int32
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	switch path {
	case wire.PathSession:
		return map[string]any{"userID": s.userID}, nil
	case wire.PathTickets:
		return map[string]any{"ticket": "single-use", "expires": s.made.Add(30 * time.Second).Unix()}, nil
	case wire.PathCodes:
		code := handshake.NewCode()
		g.codes[code.ID()], g.psks[code.ID()] = internalapi.IssueCode{UserID: s.userID, PlatformID: in.PlatformID}, code.PSK()
		return internalapi.IssuedCode{Code: code.Reveal(), Expires: time.Now().Add(time.Minute)}, nil
	case wire.PathDevices:
		var list internalapi.Devices
		for _, d := range g.devices {
			if d.UserID == s.userID {
				list.Devices = append(list.Devices, *d)
			}
		}
		return list, nil
	case wire.PathRevokeDevice:
		for _, d := range g.devices {
			if d.ID == in.DeviceID && d.UserID == s.userID {
				d.Status = internalapi.DeviceRevoked
			}
		}
		g.end(func(o *testSession) bool { return o.deviceID == in.DeviceID })
		return internalapi.Empty{}, nil
	case wire.PathRevokeSessions:
		g.end(func(o *testSession) bool {
			return o == s || in.Scope == "device" && o.deviceID == s.deviceID || in.Scope == "user" && o.userID == s.userID
		})
		return internalapi.Empty{}, nil
	}
	return nil, wire.UnknownRoute
}

func (g *gateway) end(which func(*testSession) bool) {
	for _, s := range g.sessions {
		if which(s) {
			s.revoked = true
		}
	}
}

func (g *gateway) caller(token string) *login.Caller {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.sessions[token]
	if s == nil || s.revoked {
		return nil
	}
	return &login.Caller{UserID: s.userID, DeviceID: s.deviceID, SessionID: s.id, PlatformID: s.platform, LoggedIn: s.made}
}

// Reserve implements login.States.
func (g *gateway) Reserve(context.Context, netip.Addr, time.Duration) error { return nil }

// Put implements login.States.
func (g *gateway) Put(_ context.Context, id string, sealed []byte, _ time.Duration) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.states[id] = sealed
	return nil
}

// Take implements login.States.
func (g *gateway) Take(_ context.Context, id string) ([]byte, bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	sealed, found := g.states[id]
	delete(g.states, id)
	return sealed, found, nil
}

// Create implements login.Sessions.
func (g *gateway) Create(_ context.Context, userID, deviceID string, platformID int32, _ int64) (string, string, time.Time, error) {
	token := "v1." + rand.Text()
	g.mu.Lock()
	defer g.mu.Unlock()
	id := fmt.Sprintf("session-%d", len(g.sessions)+1)
	g.sessions[token] = &testSession{id: id, userID: userID, deviceID: deviceID, platform: platformID, made: time.Now()}
	return token, id, time.Now().Add(24 * time.Hour), nil
}

// Resolve implements login.Registry.
func (g *gateway) Resolve(_ context.Context, key string) (devices.Holder, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	i := slices.IndexFunc(g.devices, func(d *internalapi.Device) bool { return d.Key == key })
	if i < 0 {
		return devices.Holder{}, nil
	}
	return devices.Holder{Found: true, Device: *g.devices[i], User: internalapi.User{ID: g.devices[i].UserID}}, nil
}

// OpenCode implements login.Registry.
func (g *gateway) OpenCode(_ context.Context, codeID string) (psk []byte, found bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	psk, found = g.psks[codeID]
	if !found {
		psk = handshake.NewCode().PSK()
	}
	return psk, found, nil
}

// Enrol implements login.Registry.
func (g *gateway) Enrol(_ context.Context, r devices.Enrolment) (devices.Enrolled, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	code := g.codes[r.CodeID]
	delete(g.codes, r.CodeID)
	delete(g.psks, r.CodeID)
	d := &internalapi.Device{
		ID: fmt.Sprintf("device-%d", len(g.devices)+1), UserID: code.UserID, PlatformID: r.PlatformID, Name: r.Name, Key: r.Key,
		Status: internalapi.DeviceActive,
	}
	g.devices = append(g.devices, d)
	return devices.Enrolled{Device: *d, User: internalapi.User{ID: d.UserID}}, nil
}

// SpendHandshake implements login.Registry. It accepts every handshake: Take already returns each state only once.
func (*gateway) SpendHandshake(context.Context, string) (bool, error) { return true, nil }

// Rotate implements login.Registry.
func (g *gateway) Rotate(_ context.Context, r devices.KeyRotation) (devices.Enrolled, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range g.devices {
		if d.ID == r.DeviceID {
			d.Key = r.Key
			return devices.Enrolled{Device: *d, User: internalapi.User{ID: d.UserID}}, nil
		}
	}
	return devices.Enrolled{Refused: devices.NoSuchDevice}, nil
}

// called returns the number of calls whose path starts with path.
func (g *gateway) called(path string) (n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.paths {
		if strings.HasPrefix(p, path) {
			n++
		}
	}
	return n
}
