package backend_test

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/config"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// again logs a device in at one replica.
func (h *testEnv) again(p *testUser, replica int) (*testUser, internalapi.LoginFinished) {
	h.t.Helper()
	return h.login(replica, replica, attempt{purpose: handshake.Login, key: p.key, platform: p.reply.PlatformID})
}

// accepts reports whether the backend accepts a user's session.
func (h *testEnv) accepts(p *testUser) func() int {
	return func() int {
		return h.post(1, showing(p.reply.Token), internalapi.PathIssueTicket, "{}").ErrCode
	}
}

func TestALoginAppliesThePolicyThatTheGatewaySends(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 2)
	phone, browser := h.enrol("alice", 1), h.enrol("alice", 5)

	h.multiLogin = &config.MultiLogin{Policy: config.PolicyOnePerClass}
	_, reported := h.login(0, 1, attempt{purpose: handshake.Enrol, key: newPrivate(t), code: h.code("alice"), platform: 2})
	g.Expect(reported.Outcome.Excluded).To(Equal([]string{phone.reply.SessionID}))
	g.Expect(reported.Outcome.ExcludedCount).To(Equal(1))
	g.Expect(h.accepts(phone)()).To(BeZero(), "a policy that is reported ends nothing")

	h.multiLogin.Enforcement = config.EnforcementEnforce
	other, finished := h.login(0, 1, attempt{purpose: handshake.Enrol, key: newPrivate(t), code: h.code("alice"), platform: 2})
	g.Expect(finished.Outcome.ExcludedCount).To(Equal(2))
	g.Expect(finished.Outcome.Excluded).To(ContainElement(phone.reply.SessionID))
	g.Eventually(h.accepts(phone), soon).Should(Equal(wire.CodeTokenKicked))
	g.Expect(h.post(0, showing(phone.reply.Token), internalapi.PathIssueTicket, "{}").ErrMsg).To(Equal(wire.ReplacedText))
	g.Expect(h.accepts(other)()).To(BeZero())
	g.Expect(h.accepts(browser)()).To(BeZero(), "of another class")

	back, finished := h.again(phone, 0)
	g.Expect(finished.Outcome.ExcludedCount).To(Equal(1))
	g.Eventually(h.accepts(other), soon).Should(Equal(wire.CodeTokenKicked))
	g.Expect(h.accepts(back)()).To(BeZero(), "the device that was logged out logs in again")

	h.multiLogin = nil
	_, finished = h.again(other, 1)
	g.Expect(finished.Outcome.ExcludedCount).To(BeZero())
	g.Expect(h.accepts(back)()).To(BeZero(), "without a policy nothing ends")
}

func TestAPolicyThatTheBackendDoesNotKnowIsRefused(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 1)
	for _, policy := range []string{
		`{"policy":"Everything"}`, `{}`, `{"policy":"OnePerClass","maxPerPlatform":2}`, `{"policy":"Unlimited","maxPerPlatform":1001}`,
		`{"policy":"OnePerClass","enforcement":"Maybe"}`, `{"policy":"OnePerClass","other":1}`, `[]`,
	} {
		a := h.post(0, asGateway, internalapi.PathLoginFinish, `{"request":{},"multiLogin":`+policy+`}`)
		g.Expect(a.Status).To(Equal(http.StatusBadRequest), policy)
		g.Expect(a.ErrMsg).NotTo(ContainSubstring("Everything"))
	}
	g.Expect(h.enrol("alice", 1)).NotTo(BeNil(), "logins go on")
}
