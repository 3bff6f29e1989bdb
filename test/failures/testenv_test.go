package failures

import (
	"context"
	"encoding/pem"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	// drainSeconds is the window over which a gateway closes its sockets, and graceSeconds bounds its whole stop.
	drainSeconds = 3
	graceSeconds = 16
	// replicas is the number of replicas of each role.
	replicas = 2
)

// testEnv is OpenIM with the wrapper in front. The first test that needs it starts it, and it ends with the last test.
type testEnv struct {
	*loopback.Stack
	keys     []string // of the login
	provider *provider
}

var the struct {
	once  sync.Once
	stage *testEnv
	err   error
}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if s := the.stage; s != nil {
		err := s.Err()
		if err != nil || code != 0 {
			s.Keep()
			_, _ = fmt.Fprintln(os.Stderr, "the logs are kept in", s.Logs())
		}
		if err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		s.provider.Close()
		if err := s.Close(); err != nil {
			_, _ = fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func newTestEnv(t *testing.T) *testEnv {
	t.Helper()
	the.once.Do(func() { the.stage, the.err = start() })
	if the.err != nil {
		t.Fatal(the.err)
	}
	return the.stage
}

// manySockets lets a user have several sockets on one platform (protocol constant DefalutNotKick): see userFleet.
func manySockets(openim.Process) []string {
	return []string{openim.EnvName(openim.ShareFile, "multiLogin.policy") + "=0"}
}

func start() (*testEnv, error) {
	ctx := context.Background()
	provider, err := newProvider()
	if err != nil {
		return nil, err
	}
	stack, err := loopback.Start(ctx, loopback.Options{OpenIM: manySockets, Wrapper: &loopback.Wrapper{
		Gateways: replicas, Backends: replicas, Hot: loopback.Generous,
		Gateway: func(_ int, c *gateway.Config) {
			provider.take(&c.Admins.Issuers[0])
			c.Users.Realtime.DrainSeconds, c.ShutdownGraceSeconds = drainSeconds, graceSeconds
		},
		Backend: func(_ int, c *backend.Config) { c.ShutdownGraceSeconds = graceSeconds },
	}})
	if err != nil {
		provider.Close()
		return nil, err
	}
	s := &testEnv{Stack: stack, provider: provider}
	if s.keys, err = published(ctx, s.Frontend.Gateways[0].Users); err != nil {
		return s, err
	}
	return s, nil
}

// provider is the administrators' identity provider. It publishes its keys over TLS, with its own certificate authority.
type provider struct {
	*httptest.Server
	dir  string
	jwks atomic.Pointer[string] // the file with the keys
	// hangs makes requests wait until it is closed; down makes connections fail.
	hangs atomic.Pointer[chan struct{}]
	down  atomic.Bool
	asked atomic.Int64
}

func newProvider() (*provider, error) {
	p := &provider{}
	var err error
	if p.dir, err = os.MkdirTemp("", "failures-provider-"); err != nil {
		return nil, fmt.Errorf("making a folder for the provider's certificate: %w", err)
	}
	p.Server = httptest.NewTLSServer(http.HandlerFunc(p.serve))
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.Certificate().Raw})
	if err := os.WriteFile(p.ca(), ca, 0o600); err != nil {
		return nil, fmt.Errorf("writing the provider's certificate: %w", err)
	}
	return p, nil
}

func (p *provider) ca() string { return filepath.Join(p.dir, "ca.pem") }

// Close ends the provider.
func (p *provider) Close() {
	p.thaw()
	p.Server.CloseClientConnections()
	p.Server.Close()
	_ = os.RemoveAll(p.dir)
}

// take configures an issuer to fetch its keys from the provider instead of a file.
func (p *provider) take(i *issuers.Issuer) {
	file := i.JWKSFile
	p.jwks.Store(&file)
	i.JWKSFile, i.JWKSURL, i.CAFile = "", p.URL+"/jwks.json", p.ca()
}

func (p *provider) serve(w http.ResponseWriter, r *http.Request) {
	p.asked.Add(1)
	if p.down.Load() {
		panic(http.ErrAbortHandler) // the connection breaks
	}
	if wait := p.hangs.Load(); wait != nil {
		select {
		case <-*wait:
		case <-r.Context().Done():
			return
		}
	}
	keys, err := os.ReadFile(*p.jwks.Load())
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set(wire.HeaderContentType, wire.MediaTypeJSON)
	_, _ = w.Write(keys)
}

func (p *provider) freeze() {
	wait := make(chan struct{})
	p.hangs.Store(&wait)
}

func (p *provider) thaw() {
	if wait := p.hangs.Swap(nil); wait != nil {
		close(*wait)
	}
}

// admin returns a client of the administrators' listener of a replica.
func (s *testEnv) admin(t testing.TB, replica int) chat.Admin {
	t.Helper()
	token, err := s.Frontend.AdminToken()
	if err != nil {
		t.Fatal(err)
	}
	return chat.Admin{Address: s.Frontend.Gateways[replica].Admins[len("http://"):], Token: token}
}
