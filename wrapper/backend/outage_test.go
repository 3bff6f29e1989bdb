package backend_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// ready asks the first replica's /readyz.
func (h *testEnv) ready() int {
	h.t.Helper()
	resp, err := http.Get("http://" + h.replicas[0].Telemetry.Address() + "/readyz")
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

const adminRead, adminWrite = wire.AdminPrefix + "/user/get_users_info", wire.AdminPrefix + "/user/user_register"

// atOutage bounds a call while a store is down, also on a slow machine.
const atOutage = 10 * time.Second

// within repeats a call that takes longer than a bound: a fault makes every call slow, a slow machine one now and then.
func within(t *testing.T, bound time.Duration, what string, call func()) {
	t.Helper()
	g := NewWithT(t)
	g.Eventually(func() time.Duration {
		began := time.Now()
		call()
		took := time.Since(began)
		g.Expect(took).To(BeNumerically("<", atOutage), what)
		return took
	}, soon).Should(BeNumerically("<", bound), what)
}

// TestTheWrappersRedisIsDown is a part of the failure table of docs/token-vault.md.
func TestTheWrappersRedisIsDown(t *testing.T) {
	for name, down := range map[string]func(*testEnv){
		"stopped": func(h *testEnv) { h.redis.Stop() },
		"frozen":  func(h *testEnv) { h.redis.Freeze() },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := newTestEnv(t, 1)
			alice := h.enrol("alice", 1)
			g.Eventually(h.ready, soon).Should(Equal(200))
			down(h)
			root := h.asAdmin()
			bounded := func(path, proof, body string) (a answer) {
				within(t, 4*time.Second, path, func() { a = h.post(0, showing(proof), path, body) })
				return a
			}
			for _, c := range []struct{ path, proof, body string }{
				{internalapi.PathOpenIMToken, alice.reply.Token, `{}`},
				{internalapi.PathIssueTicket, alice.reply.Token, `{}`},
				{internalapi.PathSetUser, root.proof, `{"userID":"alice","nextEpoch":true}`},
				{internalapi.PathIssueCode, root.proof, `{"userID":"alice","lifetimeSeconds":60}`},
				{internalapi.PathLoginStart, "", `{"request":{},"from":""}`},
				{internalapi.PathLoginFinish, "", `{"request":{}}`},
			} {
				a := bounded(c.path, c.proof, c.body)
				g.Expect(a.Status).To(Equal(503), c.path)
				g.Expect(a.Header.Get("Retry-After")).To(Equal("1"))
			}
			g.Expect(bounded(internalapi.PathListDevices, alice.reply.Token, `{"userID":"alice"}`).Status).To(Equal(200),
				"repeatable calls are served")
			g.Expect(bounded(internalapi.PathRevokeDevices, root.proof,
				`{"userID":"alice","deviceID":"`+alice.reply.DeviceID+`"}`).Status).To(Equal(200), "a device can be revoked")
			g.Expect(h.post(0, root, adminRead, `{"userIDs":["alice"]}`).Status).To(Equal(200), "administrators read on")
			g.Expect(h.post(0, root, adminWrite, `{"users":[{"userID":"bob","nickname":"Bob"}]}`).Status).To(Equal(503), "and write nothing twice")
			g.Consistently(h.ready, time.Second, 100*time.Millisecond).Should(Equal(200), "a replica without Redis still serves")

			h.redis.Restart()
			g.Eventually(func() int {
				return h.post(0, root, adminWrite, `{"users":[{"userID":"bob","nickname":"Bob"}]}`).Status
			}, soon, 100*time.Millisecond).Should(Equal(200), "it ends by itself")
			g.Eventually(func() int {
				return h.post(0, showing(root.proof), internalapi.PathIssueCode, `{"userID":"bob","lifetimeSeconds":60}`).Status
			}, soon, 100*time.Millisecond).Should(Equal(200))
			bob := h.enrol("bob", 1)
			g.Expect(h.post(0, showing(bob.reply.Token), internalapi.PathOpenIMToken, `{}`).Status).To(Equal(200), "a new login")
		})
	}
}

func TestMongoDBIsDown(t *testing.T) {
	for name, down := range map[string]func(*testEnv){
		"stopped": func(h *testEnv) { h.mongodb.Stop() },
		"frozen":  func(h *testEnv) { h.mongodb.Freeze() },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := newTestEnv(t, 1)
			alice := h.enrol("alice", 1)
			g.Eventually(h.ready, soon).Should(Equal(200))
			down(h)
			within(t, 5*time.Second, "a login", func() {
				_, refused := h.loginAgain(alice)
				g.Expect(refused.Verdict).To(Equal(internalapi.LoginUnavailable), "nobody logs in")
				g.Expect(refused.Outcome.Reason).To(Equal("registry_unavailable"))
			})
			g.Expect(h.post(0, showing(alice.reply.Token), internalapi.PathOpenIMToken, `{}`).Status).To(Equal(200), "logged-in users are served")
			g.Expect(h.post(0, alice.caller(), usersRead, `{"userIDs":["alice"]}`).ErrCode).To(BeZero())
			g.Expect(h.post(0, h.asAdmin(), adminRead, `{"userIDs":["alice"]}`).Status).To(Equal(200), "administrators do")
			g.Expect(h.ready()).To(Equal(200))
			if name == "frozen" {
				h.mongodb.Thaw()
			} else {
				h.mongodb.Restart()
			}
			g.Eventually(func() *testUser { p, _ := h.loginAgain(alice); return p }, soon, 100*time.Millisecond).ShouldNot(BeNil())
		})
	}
}

// TestOpenIMIsDownWhileAUserEnrols: the code stays good, and nobody is enrolled whom OpenIM does not know.
func TestOpenIMIsDownWhileAUserEnrols(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 1)
	enrol := attempt{purpose: handshake.Enrol, key: newPrivate(t), code: h.code("alice"), platform: 1}
	h.openim.Set(func(f *openimtest.Fake) {
		f.Replies["/user/user_register"] = `{"errCode":14,"errMsg":"produced zero addresses"}`
	})
	_, refused := h.login(0, 0, enrol)
	g.Expect(refused.Verdict).To(Equal(internalapi.LoginUnavailable))
	_, refused = h.login(0, 0, attempt{purpose: handshake.Login, key: enrol.key, platform: 1})
	g.Expect(refused.Outcome.Reason).To(Equal("unknown_key"))
	h.openim.Set(func(f *openimtest.Fake) { delete(f.Replies, "/user/user_register") })
	alice, refused := h.login(0, 0, enrol)
	g.Expect(alice).NotTo(BeNil(), "%+v", refused)
	g.Expect(h.openim.State.Users["alice"].Nickname).To(Equal("alice"), "OpenIM takes no user without a name")
}

func TestOpenIMIsDownWhileAUserIsLoggedOut(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 1)
	ask[internalapi.Token](h, 0, internalapi.PathOpenIMToken, h.enrol("alice", 1).reply.Token, internalapi.TokenRequest{})
	h.openim.Set(func(f *openimtest.Fake) { f.Replies["/auth/force_logout"] = `{"errCode":14}` })
	g.Expect(h.post(0, asGateway, internalapi.PathForceLogout, `{"userID":"alice","platformIDs":[1]}`).Status).To(Equal(503))
}
