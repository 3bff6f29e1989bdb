package backend_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/policy"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

var linkPaths = []string{
	link.PathIssueCode, link.PathOpenCode, link.PathDropCodes, link.PathEnrol, link.PathResolve, link.PathRotate, link.PathListDevices, link.PathRevokeDevices,
	link.PathSetUser, link.PathOpenIMToken, link.PathForceLogout, link.PathMembership, link.PathSender,
}

// TestEachRoleAtItsOwnDoor is every crossing: no role gets anything at a door that is not its own, on any route of the table.
func TestEachRoleAtItsOwnDoor(t *testing.T) {
	g := NewWithT(t)
	h := newHouse(t, 1)
	as := func(role auth.Role, issuer string) auth.Principal {
		return auth.Principal{Subject: "alice", Issuer: issuer, Role: role, Session: "s", Device: "d", PlatformID: 1}
	}
	var admins, users []string
	for i := range policy.Table {
		r := &policy.Table[i]
		if r.Method == http.MethodPost {
			admins, users = append(admins, wire.AdminPrefix+r.Path), append(users, wire.UserPrefix+r.Path)
		}
	}
	refused := 0
	for _, c := range []struct {
		door    string
		targets []string
		who     []auth.Principal
	}{
		{"the gateway's", linkPaths, []auth.Principal{asAdmin, asAlice, as("", "x"), as("superadmin", "x"), as("Gateway", "gateway"), as("gateway ", "gateway")}},
		{"the administrators'", admins, []auth.Principal{asGateway, asAlice, as("", "https://id"), as("Admin", "https://id")}},
		{"the users'", users, []auth.Principal{asAdmin, asGateway, as("", auth.UserIssuer), as(auth.RoleUser, "https://id"), as(auth.RoleAdmin, auth.UserIssuer)}},
	} {
		for _, target := range c.targets {
			for _, who := range c.who {
				a := h.post(0, who, target, `{"userID":"alice","platformID":1}`)
				for n := 0; a.Status == http.StatusServiceUnavailable && n < 5; n++ { // a busy machine's Redis: refused too, but not for whom he is
					a = h.post(0, who, target, `{"userID":"alice","platformID":1}`)
				}
				g.Expect(a.Status).To(BeElementOf(http.StatusForbidden, http.StatusNotFound), "%s door, %s as %q", c.door, target, who.Role)
				g.Expect(a.Data).To(BeEmpty())
				refused++
			}
		}
	}
	for _, call := range h.openim.All() {
		g.Expect(call.Path).To(BeElementOf("/auth/get_admin_token", "/auth/parse_token"), "of %d calls none reached OpenIM", refused)
	}
	g.Expect(refused).To(BeNumerically(">", 500))
}

func TestWhatIsNotOfTheGatewaysDoor(t *testing.T) {
	h := newHouse(t, 1)
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		reason                     string
	}{
		{"no such path", "POST", link.Prefix + "/codes", `{}`, 404, "unknown_route"},
		{"the prefix alone", "POST", link.Prefix + "/", `{}`, 404, "unknown_route"},
		{"another spelling", "POST", link.Prefix + "/codes//issue", `{}`, 404, "unknown_route"},
		{"escaped", "POST", link.Prefix + "/codes%2fissue", `{}`, 404, "unknown_route"},
		{"with a query", "POST", link.PathIssueCode + "?x=1", `{}`, 404, "unknown_route"},
		{"another method", "PUT", link.PathIssueCode, `{}`, 415, "wrong_media_type"},
		{"no JSON", "POST", link.PathIssueCode, `userID=alice`, 400, "bad_request"},
		{"a list", "POST", link.PathIssueCode, `[]`, 400, "bad_request"},
		{"a member twice", "POST", link.PathListDevices, `{"userID":"alice","userID":"bob"}`, 400, "bad_request"},
		{"another case", "POST", link.PathListDevices, `{"userid":"alice"}`, 400, "bad_request"},
		{"an unknown member", "POST", link.PathListDevices, `{"userID":"alice","all":true}`, 400, "bad_request"},
		{"another type", "POST", link.PathListDevices, `{"userID":["alice"]}`, 400, "bad_request"},
		{"nobody's list", "POST", link.PathListDevices, `{}`, 400, "bad_request"},
		{"a control character", "POST", link.PathListDevices, `{"userID":"a\u0000b"}`, 400, "bad_request"},
		{"a code for a user whom OpenIM refuses", "POST", link.PathIssueCode, `{"userID":"a:b","lifetimeSeconds":60,"newUser":true,"issuer":"x"}`, 400, "bad_request"},
		{"a code for OpenIM's administrator", "POST", link.PathIssueCode, `{"userID":"imAdmin","lifetimeSeconds":60,"newUser":true,"issuer":"x"}`, 400, "bad_request"},
		{"a code that lives longer", "POST", link.PathIssueCode, `{"userID":"alice","lifetimeSeconds":601,"newUser":true,"issuer":"x"}`, 400, "bad_request"},
		{"a code that lives no time", "POST", link.PathIssueCode, `{"userID":"alice","lifetimeSeconds":0,"newUser":true,"issuer":"x"}`, 400, "bad_request"},
		{"a code for administrators' platform", "POST", link.PathIssueCode, `{"userID":"alice","platformID":10,"lifetimeSeconds":60,"newUser":true,"issuer":"x"}`, 400, "bad_request"},
		{"a device's code without a device", "POST", link.PathIssueCode, `{"userID":"alice","lifetimeSeconds":60,"newUser":false,"issuer":"x"}`, 403, "forbidden"},
		{"a code with too long a note", "POST", link.PathIssueCode, `{"userID":"alice","lifetimeSeconds":60,"newUser":true,"issuer":"x","under":"` + strings.Repeat("x", 2049) + `"}`, 400, "bad_request"},
		{"nobody's codes to be dropped", "POST", link.PathDropCodes, `{}`, 400, "bad_request"},
		{"codes of two kinds to be dropped", "POST", link.PathDropCodes, `{"userID":"alice","all":true}`, 400, "bad_request"},
		{"no code's id", "POST", link.PathOpenCode, `{"codeID":"x"}`, 400, "bad_request"},
		{"an enrolment without platform", "POST", link.PathEnrol, `{"codeID":"AAAAAAAAAAAAAAAAAAAAAA","key":"","platformID":0,"name":""}`, 400, "bad_request"},
		{"the administrator's token", "POST", link.PathOpenIMToken, `{"userID":"imAdmin","platformID":1}`, 400, "bad_request"},
		{"an administrator's platform", "POST", link.PathOpenIMToken, `{"userID":"alice","platformID":10}`, 400, "bad_request"},
		{"a token for nobody", "POST", link.PathOpenIMToken, `{"userID":"ghost","platformID":1}`, 403, "forbidden"},
		{"a logout of platform 0", "POST", link.PathForceLogout, `{"userID":"alice","platformIDs":[0]}`, 400, "bad_request"},
		{"everybody's devices", "POST", link.PathRevokeDevices, `{}`, 400, "bad_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			a := h.do(h.request(0, asGateway, c.method, c.target, c.body))
			g.Expect(a.Status).To(Equal(c.status), a.ErrMsg)
			g.Expect(a.Header.Get(wire.HeaderReason)).To(Equal(c.reason))
		})
	}
}

func TestOneReplicasAssertionIsNotAnothers(t *testing.T) {
	g := NewWithT(t)
	h := newHouse(t, 2)
	for name, make := range map[string]func(replica int) *http.Request{
		"an administrator's": func(replica int) *http.Request {
			return h.request(replica, asAdmin, "POST", wire.AdminPrefix+"/user/get_users_info", `{"userIDs":["alice"]}`)
		},
		"the gateway's": func(replica int) *http.Request {
			return h.request(replica, asGateway, "POST", link.PathSetUser, `{"userID":"alice","nextEpoch":true}`)
		},
		"a handshake": func(replica int) *http.Request {
			return h.request(replica, auth.Principal{Subject: "gateway", Issuer: "gateway"}, "GET", wire.HandshakePath, "")
		},
	} {
		first, again := make(0), make(1)
		for _, header := range []string{wire.HeaderAuthorization, wire.HeaderRequestID} {
			again.Header.Set(header, first.Header.Get(header))
		}
		g.Expect(h.do(first).Status).To(BeElementOf(200, 204), name)
		g.Expect(h.do(again).Status).To(Equal(http.StatusUnauthorized), name)
	}
	g.Expect(h.log.String()).To(ContainSubstring("shown to another replica"))
}

// TestAnAssertionForOneReplicaNeedsNoRedis: it is good there and nowhere else, once.
func TestAnAssertionForOneReplicaNeedsNoRedis(t *testing.T) {
	g := NewWithT(t)
	h := newHouse(t, 2)
	instance := make([]string, 2)
	for n := range instance {
		instance[n] = h.post(n, asGateway, link.PathListDevices, `{"userID":"alice"}`).Header.Get(wire.HeaderInstance)
		g.Expect(instance[n]).NotTo(BeEmpty())
	}
	g.Expect(instance[0]).NotTo(Equal(instance[1]))
	h.redis.Stop()
	bound := func(at int) *http.Request {
		r := h.request(at, asAdmin, "POST", adminWrite, `{"users":[{"userID":"bob","nickname":"Bob"}]}`)
		token, err := auth.Assert(constantKey(assertionKey), auth.Call{
			Principal: asAdmin, Method: "POST", Path: adminWrite, RequestID: r.Header.Get(wire.HeaderRequestID),
			Body: []byte(`{"users":[{"userID":"bob","nickname":"Bob"}]}`), Instance: instance[0],
		}, time.Now())
		g.Expect(err).NotTo(HaveOccurred())
		r.Header.Set(wire.HeaderAuthorization, "Bearer "+token)
		return r
	}
	g.Expect(h.do(bound(1)).Status).To(Equal(http.StatusUnauthorized), "it is another's")
	first := bound(0)
	again := first.Clone(t.Context())
	again.Body, _ = first.GetBody()
	g.Expect(h.do(first).Status).To(Equal(http.StatusOK))
	g.Expect(h.do(again).Status).To(Equal(http.StatusUnauthorized))
	g.Expect(h.post(0, asAdmin, adminWrite, `{"users":[{"userID":"bob","nickname":"Bob"}]}`).Status).To(Equal(503), "one for anybody does need it")
}
