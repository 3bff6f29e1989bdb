package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"

	"github.com/openimstack/openim-operator/clients/go"
)

// The program enrols the device once, with a code that the user received from an administrator. From then on the device logs
// in with its key.
func Example() {
	gateway, err := newGateway(httptest.NewTLSServer, "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer gateway.Close()
	ctx := context.Background()

	c, err := client.New(client.Options{
		BaseURL:    gateway.URL,          // such as https://im.example.com
		PinnedKeys: gateway.publicKeys(), // shipped with the app
		HTTPClient: gateway.Client(),     // only because this example's certificate is self-signed
		Version:    "1.0",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := client.GenerateKey() // store key.Reveal() where the platform keeps secrets
	if err != nil {
		fmt.Println(err)
		return
	}
	device := client.Device{Key: key, PlatformID: 7, Name: "Alice's laptop"}

	// Once per device:
	if _, err = c.Enrol(ctx, gateway.issue("alice"), device); err != nil {
		fmt.Println(err)
		return
	}
	// At each later start of the program, with client.ParseKey of the stored text:
	session, err := c.Login(ctx, device)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("logged in:", session.UserID, session.DeviceID)

	// Give session.UserID, session.Token(), c.APIAddr() and c.WSAddr() to an official OpenIM SDK,
	// or open a WebSocket at c.WSAddr() with the subprotocols of a ticket:
	ticket, err := session.Ticket(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("subprotocols:", ticket.Subprotocols())

	// Log out:
	if err = session.Revoke(ctx, client.ThisSession); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("after the logout:", session.Check(ctx))
	// Output:
	// logged in: alice device-1
	// subprotocols: [openim.v1 ticket.single-use]
	// after the logout: calling /auth/v1/session: the session was revoked (HTTP 200, errCode 1506)
}

// A logged-in user enrols a second device without an administrator.
func ExampleSession_IssueCode() {
	gateway, session, _ := newSession()
	defer gateway.Close()
	ctx := context.Background()

	code, err := session.IssueCode(ctx, 2) // 2: the code is for an Android device only
	if errors.Is(err, client.ErrLoginTooOld) {
		fmt.Println("log in again, then repeat the call")
		return
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	// Show code.Code to the user. The program on the second device:
	c, err := client.New(client.Options{BaseURL: gateway.URL, PinnedKeys: gateway.publicKeys(), HTTPClient: gateway.Client()})
	if err != nil {
		fmt.Println(err)
		return
	}
	key, err := client.GenerateKey()
	if err != nil {
		fmt.Println(err)
		return
	}
	second, err := c.Enrol(ctx, code.Code, client.Device{Key: key, PlatformID: 2, Name: "Alice's phone"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("enrolled:", second.UserID, second.DeviceID)
	// Output: enrolled: alice device-2
}

// The program decides by errors.Is what it does after an error.
func ExampleError() {
	gateway, session, login := newSession()
	defer gateway.Close()
	ctx := context.Background()
	if err := session.Revoke(ctx, client.ThisDevice); err != nil {
		fmt.Println(err)
		return
	}

	err := session.Check(ctx)
	switch {
	case errors.Is(err, client.ErrExpired), errors.Is(err, client.ErrRevoked), errors.Is(err, client.ErrNoSession):
		if session, err = login(ctx); err != nil { // ErrRefused: the device was revoked
			fmt.Println(err)
			return
		}
		fmt.Println("logged in again:", session.DeviceID)
	case errors.Is(err, client.ErrBusy), errors.Is(err, client.ErrUnavailable):
		fmt.Println("wait and repeat the call")
	case err != nil:
		fmt.Println(err)
	}
	// Output: logged in again: device-1
}

// newSession returns a new gateway, the session of an enrolled device, and a function that logs the same device in again.
func newSession() (*gateway, *client.Session, func(context.Context) (*client.Session, error)) {
	gateway, err := newGateway(httptest.NewTLSServer, "")
	if err != nil {
		panic(err)
	}
	c, err := client.New(client.Options{BaseURL: gateway.URL, PinnedKeys: gateway.publicKeys(), HTTPClient: gateway.Client()})
	if err != nil {
		panic(err)
	}
	key, err := client.GenerateKey()
	if err != nil {
		panic(err)
	}
	device := client.Device{Key: key, PlatformID: 7, Name: "Alice's laptop"}
	session, err := c.Enrol(context.Background(), gateway.issue("alice"), device)
	if err != nil {
		panic(err)
	}
	return gateway, session, func(ctx context.Context) (*client.Session, error) { return c.Login(ctx, device) }
}
