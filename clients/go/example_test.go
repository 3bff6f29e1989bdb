package client_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/openimstack/openim-operator/clients/go"
)

// A device is enrolled with a code that its user was given, and logs in with its key from then on.
func Example() {
	gateway, err := newGateway(httptest.NewTLSServer, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer gateway.Close()
	ctx := context.Background()

	c, err := client.New(client.Options{
		BaseURL:    gateway.URL,
		PinnedKeys: gateway.publicKeys(), // shipped with the app
		HTTPClient: gateway.Client(),     // trusts the certificate of this example
		Version:    "1.0",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := client.GenerateKey() // and keep key.Reveal() where the platform keeps secrets
	if err != nil {
		fmt.Println(err)
		return
	}
	device := client.Device{Key: key, PlatformID: 7, Name: "Alice's laptop"}

	if _, err = c.Enrol(ctx, gateway.issue("alice"), device); err != nil {
		fmt.Println(err)
		return
	}
	session, err := c.Login(ctx, device) // at the next start of the program
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("logged in:", session.UserID, session.DeviceID)

	// An official OpenIM SDK takes session.UserID, session.Token(), c.APIAddr() and c.WSAddr().
	ticket, err := session.Ticket(ctx) // or open a WebSocket oneself
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("subprotocols:", ticket.Subprotocols())

	if err = session.Revoke(ctx, client.ThisSession); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("then:", session.Check(ctx))
	// Output:
	// logged in: alice device-1
	// subprotocols: [openim.v1 ticket.single-use]
	// then: /auth/v1/session: the session was revoked (HTTP 200, errCode 1506)
}
