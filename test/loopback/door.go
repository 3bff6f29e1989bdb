package loopback

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/openimstack/openim-operator/test/harness/identity"
	"github.com/openimstack/openim-operator/wrapper/client"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Door is the running wrapper, as its clients see it. URLs have no slash at their end.
type Door struct {
	// URL is the users' door, before all gateways that live. It is also the audience of logins.
	URL string
	// Gateways are the replicas one by one.
	Gateways []Replica

	// keys are the public ones of the login.
	keys     []string
	users    *balancer
	provider *identity.Provider
}

// Replica is one gateway.
type Replica struct {
	// Name is the part's.
	Name string
	// Users, Admins and Telemetry are the URLs of its listeners.
	Users, Admins, Telemetry string

	config gateway.Config
}

func newDoor() (*Door, error) {
	provider, err := identity.New()
	if err != nil {
		return nil, err
	}
	users, err := newBalancer()
	if err != nil {
		return nil, err
	}
	return &Door{URL: "http://" + users.address(), users: users, provider: provider}, nil
}

// AdminToken is good for ten minutes.
func (d *Door) AdminToken() (string, error) { return d.provider.Token(adminClaims) }

// Admin is OpenIM's API as an administrator reaches it through the first gateway.
func (d *Door) Admin() (API, error) {
	token, err := d.AdminToken()
	return API{URL: d.Gateways[0].Admins + wire.AdminPrefix, Bearer: token}, err
}

// User is OpenIM's API as a user with a session reaches it.
func (d *Door) User(session string) API { return API{URL: d.URL + wire.UserPrefix, Token: session} }

// SocketURL is what an SDK takes as the address of its socket.
func (d *Door) SocketURL() string { return "ws" + d.URL[len("http"):] + wire.SocketPath }

// balancer is one address before several: each connection goes to the next one that accepts it.
type balancer struct {
	ln net.Listener

	mu      sync.Mutex
	targets []string
	next    int
}

func newBalancer() (*balancer, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("opening a balancer: %w", err)
	}
	b := &balancer{ln: ln}
	go b.serve()
	return b, nil
}

func (b *balancer) address() string { return b.ln.Addr().String() }

func (b *balancer) close() { _ = b.ln.Close() }

func (b *balancer) add(target string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.targets = append(b.targets, target)
}

func (b *balancer) serve() {
	for {
		conn, err := b.ln.Accept()
		if err != nil {
			return
		}
		go b.pass(conn)
	}
}

func (b *balancer) pass(client net.Conn) {
	defer func() { _ = client.Close() }()
	server := b.dial()
	if server == nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		_, _ = io.Copy(server, client)
		_ = server.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(client, server)
}

// dial tries each target once.
func (b *balancer) dial() net.Conn {
	b.mu.Lock()
	targets, first := b.targets, b.next
	b.next++
	b.mu.Unlock()
	for i := range targets {
		conn, err := net.DialTimeout("tcp", targets[(first+i)%len(targets)], readyWithin)
		if err == nil {
			return conn
		}
	}
	return nil
}

// Enrol uses a code up with a new device at the users' door, and logs it in. The door's public key is known.
func (d *Door) Enrol(ctx context.Context, code string, platform int32) (*client.Session, error) {
	c, err := client.New(client.Options{BaseURL: d.URL, PinnedKeys: d.keys, Version: "loopback"})
	if err != nil {
		return nil, err
	}
	key, err := client.GenerateKey()
	if err != nil {
		return nil, err
	}
	return c.Enrol(ctx, code, client.Device{Key: key, PlatformID: platform, Name: "loopback"})
}
