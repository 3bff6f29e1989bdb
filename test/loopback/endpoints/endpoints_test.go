package endpoints_test

import (
	"context"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/test/loopback/endpoints"
)

type controller struct {
	restarts int
	lifetime time.Duration
	problem  error
}

func (k *controller) AdminToken(context.Context) (string, error) { return "the token", k.problem }

func (k *controller) RestartSocketServer(context.Context) error {
	k.restarts++
	return k.problem
}

func (k *controller) LimitSessions(_ context.Context, lifetime time.Duration) error {
	k.lifetime = lifetime
	return k.problem
}

func TestAPlaceGoesThroughTheEnvironment(t *testing.T) {
	g := NewWithT(t)
	p := endpoints.Endpoints{API: "http://a", Socket: "ws://b", Admin: "http://c", Gateway: "http://d", Control: "http://f",
		Files: "http://g", Dial: "s3.infra.svc:9000=127.0.0.1:1", CA: "/tmp/ca.crt"}
	for _, variable := range p.Environ() {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	g.Expect(endpoints.FromEnvironment()).To(Equal(p))
	g.Expect(p.HasGateway()).To(BeTrue())
}

// A host that DNS does not know is dialled where the endpoints say; any other is dialled as it is.
func TestAHostIsDialledWhereTheEndpointsSay(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write([]byte(r.Host)) }))
	defer server.Close()
	ca := filepath.Join(t.TempDir(), "ca.crt")
	g.Expect(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600)).To(Succeed())
	p := endpoints.Endpoints{Dial: "example.com:9000=" + server.Listener.Addr().String(), CA: ca} // the certificate's name
	transport, err := p.Transport()
	g.Expect(err).NotTo(HaveOccurred())
	client := &http.Client{Transport: transport}
	for _, url := range []string{"https://example.com:9000/", server.URL} {
		reply, err := client.Get(url) //nolint:noctx // ends at once
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(reply.Body.Close()).To(Succeed())
	}
	for _, bad := range []endpoints.Endpoints{{Dial: "x"}, {CA: "/nonexistent"}, {CA: "/dev/null"}} {
		_, err := bad.Transport()
		g.Expect(err).To(HaveOccurred(), "%+v", bad)
	}
}

func TestWithoutAPlaceItIsSaidHowToGetOne(t *testing.T) {
	t.Setenv("IM_API", "")
	_, err := endpoints.FromEnvironment()
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("make test-sdk")))
}

func TestTheKeeperIsAsked(t *testing.T) {
	g := NewWithT(t)
	k := &controller{}
	url, err := endpoints.Serve(t.Context(), k)
	g.Expect(err).NotTo(HaveOccurred())
	p := endpoints.Endpoints{Control: url}
	g.Expect(p.AdminToken(t.Context())).To(Equal("the token"))
	g.Expect(p.RestartSocketServer(t.Context())).To(Succeed())
	g.Expect(k.restarts).To(Equal(1))

	g.Expect(p.LimitSessions(t.Context(), 12*time.Second)).To(Succeed())
	g.Expect(k.lifetime).To(Equal(12 * time.Second))
	g.Expect(p.LimitSessions(t.Context(), 0)).To(Succeed())
	g.Expect(k.lifetime).To(BeZero())

	k.problem = errors.New("the pod did not come back")
	g.Expect(p.RestartSocketServer(t.Context())).To(MatchError(ContainSubstring("the pod did not come back")))
	_, err = p.AdminToken(t.Context())
	g.Expect(err).To(HaveOccurred())
}

func TestUnknownCallersAreNotServed(t *testing.T) {
	g := NewWithT(t)
	k := &controller{}
	url, err := endpoints.Serve(t.Context(), k)
	g.Expect(err).NotTo(HaveOccurred())
	guessed := endpoints.Endpoints{Control: url[:strings.LastIndex(url, "/")] + "/guess"}
	_, err = guessed.AdminToken(t.Context())
	g.Expect(err).To(HaveOccurred())
	g.Expect(err.Error()).NotTo(ContainSubstring("the token"))
}
