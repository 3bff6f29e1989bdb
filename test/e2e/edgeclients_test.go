//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/setup"
)

const (
	// north and south are clients, each with an address of its own: pods that pass TCP connections on to Traefik's Service as they are.
	north, south = "north", "south"
	// relayPort is the port at which a client's pod accepts connections.
	relayPort = 9443
	// publicHost is the host by which users call the gateway, and publicAudience the gateway's audience.
	publicHost, publicAudience = "im.example.test", "https://im.example.test"
	// maxRaw bounds what is read of the answers to raw bytes.
	maxRaw = 1 << 20
	// refilled bounds the time until an address whose limit of logins is used up may log in again. Each attempt takes from the limit, so that
	// attempts are rare.
	refilled = 2 * time.Minute
	// silence is how long a raw connection waits for a further answer.
	silence = 2 * time.Second
)

// startClient starts a client. Traefik is a TCP proxy there, which reads nothing of the connections.
func startClient(ctx context.Context, name, image string) {
	GinkgoHelper()
	files := &corev1.ConfigMap{ObjectMeta: edgeMeta(name), Data: map[string]string{"relay.yaml": fmt.Sprintf(`
tcp:
  routers:
    all: {rule: "HostSNI(`+"`*`"+`)", service: traefik}
  services:
    traefik: {loadBalancer: {servers: [{address: "%s.%s.svc:443"}]}}
`, traefikName, edgeNamespace)}}
	args := []string{
		"--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=INFO",
		fmt.Sprintf("--entrypoints.relay.address=:%d", relayPort), "--providers.file.filename=/etc/traefik/relay.yaml",
	}
	Expect(environment.Cluster.Create(ctx, files)).To(Succeed())
	Expect(environment.Cluster.Create(ctx, edgeDeployment(edgeMeta(name), image, args, relayPort, files))).To(Succeed())
	Expect(environment.Cluster.WaitForDeployment(ctx, client.ObjectKey{Namespace: edgeNamespace, Name: name})).To(Succeed())
}

// visitor is a client of the public address, whose connections have the address of its pod.
type visitor struct {
	setup.Gateway

	// address of the client's pod.
	address string
	dial    func(context.Context) (net.Conn, error)
	roots   *x509.CertPool
}

// visit returns a client, until the spec ends. header is added to each request, as somebody would who writes their own client.
func (e *edge) visit(ctx context.Context, name string, header http.Header) visitor {
	GinkgoHelper()
	pod := edgePod(ctx, name)
	forwarded, err := environment.Cluster.Forward(ctx, client.ObjectKeyFromObject(pod), relayPort)
	Expect(err).NotTo(HaveOccurred())
	v := visitor{address: pod.Status.PodIP, roots: e.authority.Pool()}
	v.dial = func(ctx context.Context) (net.Conn, error) { return (&net.Dialer{}).DialContext(ctx, "tcp", forwarded) }
	transport := &http.Transport{
		DialContext:     func(ctx context.Context, _, _ string) (net.Conn, error) { return v.dial(ctx) },
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: v.roots},
	}
	DeferCleanup(transport.CloseIdleConnections)
	v.Gateway = setup.Gateway{Pod: name, Audience: publicAudience, Keys: e.keys, HTTP: &http.Client{
		Timeout: time.Minute, Transport: adding{transport, header},
	}}
	return v
}

// adding adds header fields to all requests.
type adding struct {
	http.RoundTripper

	header http.Header
}

func (a adding) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	maps.Copy(r.Header, a.header)
	return a.RoundTripper.RoundTrip(r)
}

// login logs a user in with a given login client, and returns the error.
func (v visitor) login(ctx context.Context, base string, p *setup.User) error {
	c, err := login.New(login.Options{BaseURL: base, PinnedKeys: v.Keys, HTTPClient: v.HTTP, Version: "e2e"})
	if err != nil {
		return err
	}
	_, err = c.Login(ctx, p.Device)
	return err
}

// secured opens a connection to the public host and returns it after its TLS handshake.
func (v visitor) secured(ctx context.Context) (net.Conn, error) {
	raw, err := v.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn := tls.Client(raw, &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: v.roots, ServerName: publicHost})
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

// answer is one answer to raw bytes.
type answer struct {
	Status int
	Body   string
}

// send writes raw bytes to the public host by TLS and returns the answers until the connection ends or stays silent.
func (v visitor) send(ctx context.Context, text string) ([]answer, error) {
	conn, err := v.secured(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	if _, err := io.WriteString(conn, text); err != nil {
		return nil, err
	}
	var answers []answer
	for reader := bufio.NewReader(io.LimitReader(conn, maxRaw)); ; {
		if err := conn.SetReadDeadline(time.Now().Add(silence)); err != nil {
			return answers, err
		}
		response, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers, nil // the connection has ended, or says nothing more
		}
		body, _ := io.ReadAll(response.Body) // what was cut off counts as well
		_ = response.Body.Close()
		answers = append(answers, answer{response.StatusCode, string(body)})
	}
}

// converse opens a socket of each of two users, by two clients, and sends a message from one to the other.
func (e *edge) converse(ctx context.Context) {
	GinkgoHelper()
	from, to := e.visit(ctx, north, nil), e.visit(ctx, south, nil)
	text := fmt.Sprint("through the edge ", time.Now().UnixNano())
	Eventually(ctx, func(g Gomega) { // a login of the same user elsewhere may still close a socket
		reader, err := to.Open(ctx, e.user(south))
		g.Expect(err).NotTo(HaveOccurred())
		defer reader.Close()
		writer, err := from.Open(ctx, e.user(north))
		g.Expect(err).NotTo(HaveOccurred())
		defer writer.Close()
		_, err = writer.Send(ctx, e.user(south).UserID, text)
		g.Expect(err).NotTo(HaveOccurred())
		ctx, cancel := context.WithTimeout(ctx, live)
		defer cancel()
		got, err := reader.Receive(ctx, func(m chat.Received) bool { return m.Text == text })
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.SendID).To(Equal(e.user(north).UserID))
	}).WithTimeout(returning).WithPolling(time.Second).Should(Succeed())
}

// logIn logs a user in through the edge and keeps the session.
func (e *edge) logIn(ctx context.Context, by string) {
	GinkgoHelper()
	v, p := e.visit(ctx, by, nil), e.user(by)
	Eventually(ctx, func(g Gomega) {
		session, err := v.Login(ctx, p)
		g.Expect(err).NotTo(HaveOccurred())
		p.Session = session
	}).WithTimeout(refilled).WithPolling(refilled / 6).Should(Succeed())
	reply, err := v.As(p).Who(ctx)
	Expect(err).NotTo(HaveOccurred())
	Expect(reply.OK()).To(BeTrue(), reply.String())
	Expect(strings.Contains(string(reply.Data), `"`+p.UserID+`"`)).To(BeTrue(), "%s", reply.Data)
}
