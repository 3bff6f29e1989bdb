package loopback

import (
	"context"

	"github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/identity"
	"github.com/openimstack/openim-operator/test/loopback/balance"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Frontend is the running wrapper, as its clients see it. URLs have no slash at their end.
type Frontend struct {
	// URL is the users' door, before all gateways that live. It is also the audience of logins.
	URL string
	// Gateways are the replicas one by one.
	Gateways []Replica

	// keys are the public ones of the login.
	keys     []string
	users    *balance.Balancer
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

func newFrontend() (*Frontend, error) {
	provider, err := identity.New()
	if err != nil {
		return nil, err
	}
	users, err := balance.New()
	if err != nil {
		return nil, err
	}
	return &Frontend{URL: "http://" + users.Address(), users: users, provider: provider}, nil
}

// AdminToken is good for ten minutes.
func (d *Frontend) AdminToken() (string, error) { return d.provider.Token(adminClaims) }

// Admin is OpenIM's API as an administrator reaches it through the first gateway.
func (d *Frontend) Admin() (API, error) {
	token, err := d.AdminToken()
	return API{URL: d.Gateways[0].Admins + wire.AdminPrefix, Bearer: token}, err
}

// User is OpenIM's API as a user with a session reaches it.
func (d *Frontend) User(session string) API { return API{URL: d.URL + wire.UserPrefix, Token: session} }

// SocketURL is what an SDK takes as the address of its socket.
func (d *Frontend) SocketURL() string { return "ws" + d.URL[len("http"):] + wire.SocketPath }

// Enrol uses a code up with a new device at the users' door, and logs it in. The door's public key is known.
func (d *Frontend) Enrol(ctx context.Context, code string, platform int32) (*client.Session, error) {
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
