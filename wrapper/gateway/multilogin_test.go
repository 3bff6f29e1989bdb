package gateway

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// finish is the second call of a login, which the fake backend grants whatever it holds.
var finish = func() string {
	text, _ := json.Marshal(handshake.FinishRequest{
		HandshakeID: handshake.Text(make([]byte, handshake.HandshakeIDBytes)), Message: handshake.Text(make([]byte, handshake.Message3Bytes)),
	})
	return string(text)
}()

func TestALoginCarriesThePolicyAndIsAudited(t *testing.T) {
	for _, c := range []struct {
		name   string
		policy *config.MultiLogin
		sent   string
		reason string
	}{
		{"no policy", nil, `"request":`, ""},
		{"reported", &config.MultiLogin{Policy: config.PolicyOnePerClass}, `"multiLogin":{"policy":"OnePerClass"}`, "multi_login_reported"},
		{
			"enforced", &config.MultiLogin{Policy: config.PolicyUnlimited, MaxPerPlatform: 3, Enforcement: config.EnforcementEnforce},
			`"multiLogin":{"policy":"Unlimited","maxPerPlatform":3,"enforcement":"Enforce"}`, "multi_login_enforced",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			h := newUsersEnv(t, &Hot{MultiLogin: c.policy})
			path := filepath.Join(t.TempDir(), "audit")
			log, err := auditlog.Open(auditlog.Options{
				Path: path, Log: slog.New(slog.DiscardHandler), Reg: prometheus.NewRegistry(), Now: time.Now,
			})
			g.Expect(err).NotTo(HaveOccurred())
			h.services.auditLog = log
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() { log.Run(ctx); close(ended) }()
			h.back.finished = internalapi.LoginFinished{Outcome: internalapi.LoginOutcome{
				UserID: "alice", DeviceID: "phone", PlatformID: 1, SessionID: "new", Excluded: []string{"one", "two"}, ExcludedCount: 9,
			}}
			_, e := h.post(t, wire.PathLoginFinish, "", finish)
			g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
			body := h.back.body(internalapi.PathLoginFinish)
			g.Expect(body).To(ContainSubstring(c.sent))
			if c.policy == nil {
				g.Expect(body).NotTo(ContainSubstring("multiLogin"), "a backend of an earlier release would refuse the call")
			}
			removed := map[bool]int{true: 2}[c.reason == "multi_login_enforced"]
			g.Expect(h.back.calls(internalapi.PathDropCodes)).To(Equal(removed), "codes that ended sessions issued")
			cancel()
			<-ended
			written, err := os.ReadFile(path)
			g.Expect(err).NotTo(HaveOccurred())
			if c.reason == "" {
				g.Expect(string(written)).NotTo(ContainSubstring(`"sessions"`))
				return
			}
			g.Expect(string(written)).To(And(
				ContainSubstring(`"sessions":["one","two"],"sessionCount":9`), ContainSubstring(`"reason":"`+c.reason+`"`),
				ContainSubstring(`"verdict":"allowed"`)))
		})
	}
}

// A client must be able to tell a replacement from a revocation: one that logs in again by itself would log the other device out, whose
// client would do the same.
func TestAReplacedSessionIsToldSo(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	first, _ := h.login(t, "alice")
	time.Sleep(2 * time.Millisecond) //nolint:forbidigo // logins are ordered by the millisecond of a clock
	next, _, err := h.sessions.Create(t.Context(), "alice", "another", 1, 1)
	g.Expect(err).NotTo(HaveOccurred())
	enforced := session.MultiLogin{Policy: config.PolicyOnePerPlatform, Enforcement: config.EnforcementEnforce}
	_, err = h.sessions.Exclude(t.Context(), "alice", enforced)
	g.Expect(err).NotTo(HaveOccurred())
	for _, path := range []string{wire.PathSession, wire.PathTickets, infoPath} {
		_, e := h.post(t, path, first, `{}`)
		g.Expect(e.ErrCode).To(Equal(wire.CodeTokenKicked), "official SDKs call OnKickedOffline for it")
		g.Expect(e.ErrMsg).To(Equal(wire.ReplacedText))
		_, e = h.post(t, path, next, `{}`)
		g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
	}
}
