package backend_test

import (
	"io"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/openimapi/openimtest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// ready asks the first replica's /readyz.
func (h *house) ready() int {
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

// TestTheWrappersRedisIsDown is a part of the failure table of docs/custody.md.
func TestTheWrappersRedisIsDown(t *testing.T) {
	for name, down := range map[string]func(*house){
		"stopped": func(h *house) { h.redis.Stop() },
		"frozen":  func(h *house) { h.redis.Freeze() },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := newHouse(t, 1)
			alice := h.enrol("alice", 1)
			g.Eventually(h.ready, 10*time.Second).Should(Equal(200))
			down(h)
			bounded := func(path, body string) answer {
				began := time.Now()
				a := h.post(0, asGateway, path, body)
				g.Expect(time.Since(began)).To(BeNumerically("<", 4*time.Second), path)
				return a
			}
			for path, body := range map[string]string{
				link.PathOpenIMToken: `{"userID":"alice","platformID":1}`,
				link.PathSetUser:     `{"userID":"alice","nextEpoch":true}`,
				link.PathIssueCode:   `{"userID":"alice","lifetimeSeconds":60,"newUser":true,"issuer":"x"}`,
				link.PathOpenCode:    `{"codeID":"` + handshake.NewCode().ID() + `"}`,
				link.PathRotate:      `{"deviceID":"` + alice.Device.ID + `","key":"` + newKey(t) + `"}`,
			} {
				a := bounded(path, body)
				g.Expect(a.Status).To(Equal(503), path)
				g.Expect(a.Header.Get("Retry-After")).To(Equal("1"))
			}
			g.Expect(bounded(link.PathResolve, `{"key":"`+alice.Device.Key+`"}`).Status).To(Equal(200), "what does the same twice goes on")
			g.Expect(bounded(link.PathRevokeDevices, `{"userID":"alice","deviceID":"`+alice.Device.ID+`"}`).Status).To(Equal(200), "a device can be revoked")
			g.Expect(h.post(0, asAdmin, adminRead, `{"userIDs":["alice"]}`).Status).To(Equal(200), "administrators read on")
			g.Expect(h.post(0, asAdmin, adminWrite, `{"users":[{"userID":"bob","nickname":"Bob"}]}`).Status).To(Equal(503), "and write nothing twice")
			g.Consistently(h.ready, time.Second, 100*time.Millisecond).Should(Equal(200), "a replica without Redis still serves")

			h.redis.Restart()
			g.Eventually(func() int {
				return h.post(0, asGateway, link.PathOpenIMToken, `{"userID":"alice","platformID":1}`).Status
			}, 10*time.Second, 100*time.Millisecond).Should(Equal(200), "it ends by itself")
		})
	}
}

func TestMongoDBIsDown(t *testing.T) {
	for name, down := range map[string]func(*house){
		"stopped": func(h *house) { h.mongodb.Stop() },
		"frozen":  func(h *house) { h.mongodb.Freeze() },
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			h := newHouse(t, 1)
			alice := h.enrol("alice", 1)
			g.Eventually(h.ready, 10*time.Second).Should(Equal(200))
			down(h)
			began := time.Now()
			a := h.post(0, asGateway, link.PathResolve, `{"key":"`+alice.Device.Key+`"}`)
			g.Expect(a.Status).To(Equal(503), "nobody logs in")
			g.Expect(time.Since(began)).To(BeNumerically("<", 5*time.Second))
			g.Expect(h.post(0, asGateway, link.PathOpenIMToken, `{"userID":"alice","platformID":1}`).Status).To(Equal(200), "who is logged in goes on")
			g.Expect(h.post(0, asAlice, wire.UserPrefix+"/user/get_users_info", `{"userIDs":["alice"]}`).ErrCode).To(BeZero())
			g.Expect(h.post(0, asAdmin, adminRead, `{"userIDs":["alice"]}`).Status).To(Equal(200), "administrators do")
			g.Expect(h.ready()).To(Equal(200))
			if name == "frozen" {
				h.mongodb.Thaw()
			} else {
				h.mongodb.Restart()
			}
			g.Eventually(func() int {
				return h.post(0, asGateway, link.PathResolve, `{"key":"`+alice.Device.Key+`"}`).Status
			}, 20*time.Second, 100*time.Millisecond).Should(Equal(200))
		})
	}
}

// TestOpenIMIsDownWhileAUserEnrols: the code stays good, and nobody is enrolled whom OpenIM does not know.
func TestOpenIMIsDownWhileAUserEnrols(t *testing.T) {
	g := NewWithT(t)
	h := newHouse(t, 1)
	issued := ask[link.IssuedCode](h, 0, link.PathIssueCode, link.IssueCode{UserID: "alice", LifetimeSeconds: 600, NewUser: true, Issuer: "admin root"})
	code, err := handshake.ParseCode(issued.Code)
	g.Expect(err).NotTo(HaveOccurred())
	key := newKey(t)
	body := `{"codeID":"` + code.ID() + `","key":"` + key + `","platformID":1,"name":"phone"}`
	h.openim.Set(func(f *openimtest.Fake) {
		f.Replies["/user/user_register"] = `{"errCode":14,"errMsg":"produced zero addresses"}`
	})
	g.Expect(h.post(0, asGateway, link.PathEnrol, body).Status).To(Equal(503))
	g.Expect(ask[link.Resolved](h, 0, link.PathResolve, link.Resolve{Key: key}).Found).To(BeFalse())
	h.openim.Set(func(f *openimtest.Fake) { delete(f.Replies, "/user/user_register") })
	a := h.post(0, asGateway, link.PathEnrol, body)
	g.Expect(a.Status).To(Equal(200))
	g.Expect(ask[link.Resolved](h, 0, link.PathResolve, link.Resolve{Key: key}).Found).To(BeTrue())
	g.Expect(h.openim.People.Users["alice"].Nickname).To(Equal("alice"), "OpenIM takes no user without a name")
}

func TestOpenIMIsDownWhileAUserIsLoggedOut(t *testing.T) {
	g := NewWithT(t)
	h := newHouse(t, 1)
	h.enrol("alice", 1)
	ask[link.Token](h, 0, link.PathOpenIMToken, link.TokenRequest{UserID: "alice", PlatformID: 1})
	h.openim.Set(func(f *openimtest.Fake) { f.Replies["/auth/force_logout"] = `{"errCode":14}` })
	g.Expect(h.post(0, asGateway, link.PathForceLogout, `{"userID":"alice","platformIDs":[1]}`).Status).To(Equal(503))
}
