package loopback

import (
	"context"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/identity"
	"github.com/openimstack/openim-operator/test/loopback/balance"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Frontend is the running wrapper as clients see it. URLs have no trailing slash.
type Frontend struct {
	// URL is the users' listener, balanced over all running gateways. It is also the audience of logins.
	URL string
	// Gateways lists the replicas.
	Gateways []Replica

	// keys are the login's public keys.
	keys     []string
	users    *balance.Balancer
	provider *identity.Provider
}

// Replica is one gateway.
type Replica struct {
	// Name is the name of the process.
	Name string
	// Users, Admins and Telemetry are the URLs of the listeners.
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

// AdminToken returns an administrator's token, valid for ten minutes.
func (d *Frontend) AdminToken() (string, error) { return d.provider.Token(adminClaims) }

// Admin returns OpenIM's API for an administrator through the first gateway.
func (d *Frontend) Admin() (API, error) {
	token, err := d.AdminToken()
	return API{URL: d.Gateways[0].Admins + wire.AdminPrefix, Bearer: token}, err
}

// User returns OpenIM's API for a user with a session.
func (d *Frontend) User(session string) API { return API{URL: d.URL + wire.UserPrefix, Token: session} }

// SocketURL returns the socket address for an SDK.
func (d *Frontend) SocketURL() string { return "ws" + d.URL[len("http"):] + wire.SocketPath }

// Client returns a client of the users' listener. The gateway's public key is pinned.
func (d *Frontend) Client() (*client.Client, error) {
	return client.New(client.Options{BaseURL: d.URL, PinnedKeys: d.keys, Version: "loopback"})
}

// Enrol enrols a new device with a code, and logs it in. The gateway's public key is pinned.
func (d *Frontend) Enrol(ctx context.Context, code string, platform int32) (*client.Session, error) {
	c, err := d.Client()
	if err != nil {
		return nil, err
	}
	key, err := client.GenerateKey()
	if err != nil {
		return nil, err
	}
	return c.Enrol(ctx, code, client.Device{Key: key, PlatformID: platform, Name: "loopback"})
}
