package gateway

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// TestACodeIsJudgedWhenItIsUsedAndAfter: the backend knows nothing of revocations, so that what it says of a code is not enough.
func TestACodeIsJudgedWhenItIsUsedAndAfter(t *testing.T) {
	g := NewWithT(t)
	h := users(t, nil)
	r := registry{h.hall.backend, h.sessions}
	_, s := h.login(t, "alice")
	note, err := noted(s)
	g.Expect(err).NotTo(HaveOccurred())
	holds := func(under string) (link.OpenedCode, link.Enrolled) {
		h.back.under = under
		opened, err := r.OpenCode(t.Context(), link.OpenCode{CodeID: "x"})
		g.Expect(err).NotTo(HaveOccurred())
		enrolled, err := r.Enrol(t.Context(), link.Enrol{CodeID: "x"})
		g.Expect(err).NotTo(HaveOccurred())
		return opened, enrolled
	}
	opened, enrolled := holds(note)
	g.Expect(opened.Found).To(BeTrue())
	g.Expect(enrolled.Refused).To(BeEmpty())
	g.Expect(h.back.calls(link.PathRevokeDevices)).To(BeZero())

	g.Expect(h.sessions.Revoke(t.Context(), session.Revocation{Scope: session.ScopeSession, ID: s.ID})).To(Succeed())
	for name, under := range map[string]string{"of a session that was revoked": note, "none, as of an older gateway": "", "no session": "{}", "no JSON": "x"} {
		before := h.back.calls(link.PathRevokeDevices)
		opened, enrolled = holds(under)
		g.Expect(opened.Found).To(BeFalse(), name)
		g.Expect(opened.PSK).NotTo(Equal("the code's"), name)
		g.Expect(enrolled.Refused).To(Equal(link.CodeGone), name)
		g.Expect(h.back.calls(link.PathRevokeDevices)).To(Equal(before+1), "%s: the device is taken back", name)
		_, _, err = h.sessions.Create(t.Context(), "alice", "another-device", 1, 1)
		g.Expect(err).NotTo(HaveOccurred(), "the user's other devices go on")
	}
	h.redis.Stop()
	_, err = r.OpenCode(t.Context(), link.OpenCode{CodeID: "x"})
	g.Expect(err).To(MatchError(session.ErrUnavailable), "it is never guessed")
	enrolled, err = r.Enrol(t.Context(), link.Enrol{CodeID: "x"})
	g.Expect(err).To(HaveOccurred())
	g.Expect(enrolled.Refused).NotTo(BeEmpty())
}

// TestALoginOfAWhileAgoIssuesNoCode: the session is good, and the answer is no token error that would log anybody out.
func TestALoginOfAWhileAgoIssuesNoCode(t *testing.T) {
	g := NewWithT(t)
	h := users(t, nil)
	token, s := h.login(t, "alice")
	_, e := h.post(t, wire.PathCodes, token, `{"platformID":0}`)
	g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
	was := h.hall.now
	h.hall.now = func() time.Time { return s.Created.Add(2*time.Minute + time.Second) }
	for path, body := range map[string]string{wire.PathCodes: `{"platformID":0}`, wire.PathRevokeDevice: `{"deviceID":"another"}`} {
		calls := h.back.calls(link.PathIssueCode) + h.back.calls(link.PathRevokeDevices)
		_, e := h.post(t, path, token, body)
		g.Expect(e.ErrCode).To(Equal(wire.CodeLoginTooOld), path)
		g.Expect(wire.IsTokenError(e.ErrCode)).To(BeFalse())
		g.Expect(e.ErrMsg).To(ContainSubstring("log in again with the device's key"))
		g.Expect(h.back.calls(link.PathIssueCode)+h.back.calls(link.PathRevokeDevices)).To(Equal(calls), "the backend is not asked")
	}
	_, e = h.post(t, wire.PathRevokeDevice, token, `{"deviceID":"device-of-alice"}`)
	g.Expect(e.ErrCode).To(BeZero(), "one's own device: %s", e.ErrMsg)
	h.hall.now = was
}
