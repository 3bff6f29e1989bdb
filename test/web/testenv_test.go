package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	// soon bounds actions that are immediate on an idle machine.
	soon = 30 * time.Second
	// web and ios are OpenIM's platform numbers.
	web, ios = 5, 1
)

var (
	stack *loopback.Stack
	// listed and unlisted are origins of pages. The gateway's configuration names only the first.
	listed, unlisted string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	bundle, err := os.MkdirTemp("", "openim-web-")
	if err != nil {
		return failed(err)
	}
	defer func() { _ = os.RemoveAll(bundle) }()
	if err := bundleSDK(ctx, bundle); err != nil {
		return failed(err)
	}
	for _, origin := range []*string{&listed, &unlisted} {
		if *origin, err = servePages(bundle); err != nil {
			return failed(err)
		}
	}
	stack, err = loopback.Start(ctx, loopback.Options{Wrapper: &loopback.Wrapper{Gateways: 2, Hot: func(h *gateway.Hot) {
		loopback.Generous(h)
		h.Origins = []string{listed}
	}}})
	if err != nil {
		return failed(err)
	}
	code := m.Run()
	if code != 0 {
		stack.Keep()
		fmt.Fprintln(os.Stderr, "the logs are kept in", stack.Logs())
	}
	if err := errors.Join(stack.Err(), stack.Close()); err != nil {
		return failed(err)
	}
	return code
}

func failed(err error) int {
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// bundleSDK bundles the official SDK into one script, as an app's build does.
func bundleSDK(ctx context.Context, dir string) error {
	esbuild := exec.CommandContext(ctx, filepath.Join("node_modules", ".bin", "esbuild"), //nolint:gosec // ours
		filepath.Join("node_modules", "@openim", "client-sdk", "lib", "index.es.js"),
		"--bundle", "--format=esm", "--log-level=warning", "--outfile="+filepath.Join(dir, "sdk.js"))
	if out, err := esbuild.CombinedOutput(); err != nil {
		return fmt.Errorf("bundling the SDK (run `make test-web`, which installs it): %w\n%s", err, out)
	}
	return nil
}

// servePages serves the example, the client and the SDK as static files.
func servePages(bundle string) (origin string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(filepath.Join("..", "..", "clients", "web"))))
	mux.Handle("/sdk/", http.StripPrefix("/sdk/", http.FileServer(http.Dir(bundle))))
	mux.Handle("/page/", http.StripPrefix("/page/", http.FileServer(http.Dir("page"))))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: soon}
	go func() { _ = server.Serve(ln) }()
	return "http://" + ln.Addr().String(), nil
}

// bounded is a context for one test.
func bounded(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// adminCall calls the first gateway as an administrator.
func adminCall(t *testing.T, path string, body any) loopback.Object {
	t.Helper()
	admin, err := stack.Frontend.Admin()
	if err != nil {
		t.Fatal(err)
	}
	return admin.Must(t, path, body)
}

// code returns an enrolment code for a user, who is created if needed.
func code(t *testing.T, user string, platform int) string {
	t.Helper()
	data := adminCall(t, wire.PathAdminIssueCode[len(wire.AdminPrefix):], loopback.Object{
		"userID": user, "nickname": user, "platformID": platform, "lifetimeSeconds": 600,
	})
	text, _ := data["code"].(string)
	return text
}

// serverKey returns the gateway's key, as an operator gives it to app developers.
func serverKey(t *testing.T) handshake.ServerKey {
	t.Helper()
	resp, err := http.Get(stack.Frontend.URL + wire.WellKnownPath) //nolint:gosec,noctx // of this machine
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var document handshake.WellKnown
	if err := json.NewDecoder(io.LimitReader(resp.Body, handshake.MaxWellKnownBytes)).Decode(&document); err != nil {
		t.Fatal(err)
	}
	return document.Keys[0]
}

// onlineUser is a user with a device of our Go client, and a socket.
type onlineUser struct {
	*chat.Socket
	id string
}

func enrolled(t *testing.T, user string) onlineUser {
	t.Helper()
	ctx := bounded(t)
	session, err := stack.Frontend.Enrol(ctx, code(t, user, ios), ios)
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := session.Ticket(ctx)
	if err != nil {
		t.Fatal(err)
	}
	socket, err := chat.Open(
		ctx,
		chat.Opening{URL: stack.Frontend.SocketURL(), Ticket: ticket, UserID: user, PlatformID: session.PlatformID},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(socket.Close)
	return onlineUser{Socket: socket, id: user}
}

// node runs a program with a JSON value as its input and one as its output.
func node(t *testing.T, program string, in, out any) {
	t.Helper()
	input, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(bounded(t), "node", filepath.Join("programs", program)) //nolint:gosec // ours
	var complaints bytes.Buffer
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), &complaints
	output, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", program, err, complaints.String())
	}
	if err := json.Unmarshal(output, out); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, output)
	}
}
