package gateway

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// memory is shared by the replicas of a test, and can be away.
type memory struct {
	mu    sync.Mutex
	away  bool
	asked int
	seen  map[string]bool
}

func (m *memory) First(_ context.Context, id string, _ time.Duration) (bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.asked++; m.away {
		return false, errors.New("it is away")
	}
	first := !m.seen[id]
	m.seen[id] = true
	return first, nil
}

// replicas are the backend's verifiers behind one address: pick says which of them a request reaches. Nothing is done more than once.
type replicas struct {
	verifiers []*auth.Assertions
	pick      func() int
	did       []string
	versions  []byte // of the link, of all calls that arrived
}

func (r *replicas) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	v := r.verifiers[r.pick()]
	w.Header().Set(wire.HeaderInstance, v.Instance())
	w.Header().Set(wire.HeaderLink, v.Link().String())
	w.Header().Set(wire.HeaderErrCode, "0")
	body, _ := io.ReadAll(req.Body)
	call := auth.Call{Method: req.Method, Path: req.RequestURI, RequestID: req.Header.Get(wire.HeaderRequestID), Body: body}
	assertion := strings.TrimPrefix(req.Header.Get(wire.HeaderAuthorization), "Bearer ")
	if raw, err := base64.RawURLEncoding.DecodeString(assertion); err == nil && len(raw) > 0 {
		r.versions = append(r.versions, raw[0])
	}
	if _, refusal := v.VerifyOnce(req.Context(), assertion, call, false); refusal != nil {
		failure := wire.Unauthenticated
		switch {
		case refusal.OtherVersion():
			failure = wire.LinkVersion
		case refusal.Temporary():
			failure = wire.Unavailable
		}
		w.Header().Set(wire.HeaderReason, failure.Name)
		wire.WriteFailure(w, failure)
		return
	}
	r.did = append(r.did, call.RequestID)
	wire.WriteEnvelope(w, http.StatusOK, wire.Envelope{})
}

func behind(t *testing.T, r *replicas, count int) (*backendClient, *memory) {
	m := &memory{seen: map[string]bool{}}
	for range count {
		r.verifiers = append(r.verifiers, auth.NewAssertions(sharedKey, time.Now).Share(m))
	}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	b := &backendClient{up: upstream.New(server.URL), key: sharedKey, now: time.Now, link: auth.PresentLink}
	t.Cleanup(b.up.Close)
	return b, m
}

func write(t *testing.T, b *backendClient) int {
	t.Helper()
	call := auth.Call{Principal: auth.Principal{Subject: "alice", Issuer: auth.UserIssuer, Role: auth.RoleUser}, Method: "POST", Path: "/x",
		RequestID: wire.NewRequestID(), Body: []byte("{}")}
	reply, err := b.send(t.Context(), call, wire.MediaTypeJSON)
	if err != nil {
		t.Fatal(err)
	}
	return reply.Status
}

func TestOnAKnownConnectionTheSharedMemoryIsNotAsked(t *testing.T) {
	g := NewWithT(t)
	r := &replicas{pick: func() int { return 0 }}
	b, m := behind(t, r, 1)
	for range 10 {
		g.Expect(write(t, b)).To(Equal(200))
	}
	g.Expect(m.asked).To(Equal(1), "on the first call it was not known who answers")
	m.away = true
	g.Expect(write(t, b)).To(Equal(200), "an assertion for one process does not need the shared memory")
	b.up.Close()
	g.Expect(write(t, b)).To(Equal(503), "on a new connection it does")
}

func TestACallThatReachesAnotherProcessIsMadeOnceAllTheSame(t *testing.T) {
	g := NewWithT(t)
	turn := 0
	r := &replicas{pick: func() int { turn++; return turn % 3 }}
	b, _ := behind(t, r, 3)
	for range 30 {
		g.Expect(write(t, b)).To(Equal(200))
	}
	g.Expect(r.did).To(HaveLen(30))
	did := map[string]bool{}
	for _, id := range r.did {
		did[id] = true
	}
	g.Expect(did).To(HaveLen(30))
	g.Expect(turn).To(BeNumerically("<", 40), "it is soon noticed that something spreads the calls")
}
