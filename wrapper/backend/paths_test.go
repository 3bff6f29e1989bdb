package backend_test

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

var linkPaths = []string{
	internalapi.PathLoginKeys, internalapi.PathLoginStart, internalapi.PathLoginFinish, internalapi.PathIssueTicket,
	internalapi.PathRedeemTicket, internalapi.PathIssueCode, internalapi.PathDropCodes, internalapi.PathListDevices,
	internalapi.PathRevokeDevices, internalapi.PathSetUser, internalapi.PathOpenIMToken, internalapi.PathForceLogout,
	internalapi.PathMembership, internalapi.PathSender,
	internalapi.PathRegisterHead, internalapi.PathListHeads,
}

// TestEachRoleAtItsOwnPaths is every crossing: no role gets anything at a path that is not its own, on any route of the table, whatever it
// can prove.
func TestEachRoleAtItsOwnPaths(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 1)
	alice, root := h.enrol("alice", 1).caller(), h.asAdmin()
	as := func(role auth.Role, issuer string) []caller {
		said := auth.Principal{Subject: "alice", Issuer: issuer, Role: role, Session: alice.Session, Device: alice.Device, PlatformID: 1}
		return []caller{{said, alice.proof}, {said, root.proof}, {said, ""}}
	}
	var admins, users []string
	for i := range routes.Table {
		r := &routes.Table[i]
		if r.Method == http.MethodPost {
			admins, users = append(admins, wire.AdminPrefix+r.Path), append(users, wire.UserPrefix+r.Path)
		}
	}
	before, refused := len(h.openim.All()), 0
	for _, c := range []struct {
		kind    string
		targets []string
		who     []caller
	}{
		{"the gateway's", linkPaths, slices.Concat([]caller{root, alice}, as("", "x"), as("superadmin", "x"), as("Gateway", "gateway"),
			as("gateway ", "gateway"))},
		{"the administrators'", admins, slices.Concat([]caller{asGateway, showing(root.proof), alice}, as("", authtest.Issuer)[1:2], as("Admin",
			authtest.Issuer)[1:2])},
		{"the users'", users, slices.Concat([]caller{root, asGateway, showing(alice.proof)}, as("", auth.UserIssuer)[:1], as(auth.RoleUser,
			"https://id")[:1], as(auth.RoleAdmin, auth.UserIssuer)[:1])},
	} {
		for _, target := range c.targets {
			for _, who := range c.who {
				a := h.post(0, who, target, `{"userID":"alice","platformID":1}`)
				for n := 0; a.Status == http.StatusServiceUnavailable && n < 5; n++ { // a busy machine's Redis: refused too, but not for whom it is
					a = h.post(0, who, target, `{"userID":"alice","platformID":1}`)
				}
				g.Expect(a.Status).To(BeElementOf(http.StatusForbidden, http.StatusNotFound), "%s path, %s as %q", c.kind, target, who.Role)
				g.Expect(a.Data).To(BeEmpty())
				refused++
			}
		}
	}
	for _, call := range h.openim.All()[before:] {
		g.Expect(call.Path).To(BeElementOf("/auth/get_admin_token", "/auth/parse_token"), "of %d calls none reached OpenIM", refused)
	}
	g.Expect(refused).To(BeNumerically(">", 500))
}

// TestWhomTheGatewayNamesMustProveIt: an attacker with the gateway's key can name any caller, and acts only for callers whose
// credentials it has.
func TestWhomTheGatewayNamesMustProveIt(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 1)
	root, alice, bob := h.asAdmin(), h.enrol("alice", 1).caller(), h.enrol("bob", 2).caller()
	ticket := ask[internalapi.IssuedTicket](h, 0, internalapi.PathIssueTicket, alice.proof, internalapi.Empty{})
	grant := ask[internalapi.RedeemedTicket](h, 0, internalapi.PathRedeemTicket, "", internalapi.RedeemTicket{Ticket: ticket.Ticket}).Grant
	forged, made, err := h.gatewaySessions().Create(t.Context(), "alice", "made up", 1, 0)
	g.Expect(err).NotTo(HaveOccurred())
	otherIssuer := authtest.NewKey(t, "k1", jose.ES256).Sign(t, nil, authtest.Claims(time.Now(), nil))
	stale := h.key.Sign(t, nil, authtest.Claims(time.Now().Add(-2*time.Hour), nil))
	nobody := h.key.Sign(t, nil, authtest.Claims(time.Now(), map[string]any{"groups": []string{"staff"}}))
	another := h.key.Sign(t, nil, authtest.Claims(time.Now(), map[string]any{"sub": "another"}))
	before := len(h.openim.All())
	for name, c := range map[string]struct {
		said   caller
		proofs []string
		target string
	}{
		"an administrator": {root, []string{"", "x", alice.proof, grant, forged, otherIssuer, stale, nobody, another}, adminRead},
		"a user":           {alice, []string{"", "x", bob.proof, root.proof, grant, forged, otherIssuer, "v1.", alice.proof + "A"}, usersRead},
	} {
		for i, proof := range c.proofs {
			a := h.post(0, caller{c.said.Principal, proof}, c.target, `{"userIDs":["alice"]}`)
			g.Expect(a.Status).To(Equal(http.StatusUnauthorized), "%s with proof %d: %s", name, i, a.ErrMsg)
			g.Expect(a.Header.Get(wire.HeaderReason)).To(Equal("proof_refused"))
			g.Expect(wire.IsTokenError(a.ErrCode)).To(BeTrue(), "the gateway gives on why")
		}
	}
	for name, change := range map[string]func(*auth.Principal){
		"another user":     func(p *auth.Principal) { p.Subject = "bob" },
		"another session":  func(p *auth.Principal) { p.Session = bob.Session },
		"another device":   func(p *auth.Principal) { p.Device = bob.Device },
		"another platform": func(p *auth.Principal) { p.PlatformID = 2 },
	} {
		said := alice
		change(&said.Principal)
		g.Expect(h.post(0, said, usersRead, `{"userIDs":["alice"]}`).Status).To(Equal(http.StatusUnauthorized), name)
	}
	said := caller{auth.Principal{Subject: "alice", Issuer: auth.UserIssuer, Role: auth.RoleUser, Session: made.ID, Device: "made up",
		PlatformID: 1}, forged}
	g.Expect(h.post(0, said, usersRead, `{"userIDs":["alice"]}`).Status).To(Equal(http.StatusUnauthorized),
		"a session that the gateway wrote to Redis")

	r := h.request(0, alice, http.MethodPost, usersRead, `{"userIDs":["alice"]}`)
	r.Header.Set(wire.HeaderProof, bob.proof)
	g.Expect(h.do(r).Status).To(Equal(http.StatusUnauthorized), "another proof under a good assertion")
	for _, call := range h.openim.All()[before:] {
		g.Expect(call.Path).To(BeElementOf("/auth/get_admin_token", "/auth/parse_token"), "none reached OpenIM")
	}
	g.Expect(h.post(0, root, adminRead, `{"userIDs":["alice"]}`).Status).To(Equal(http.StatusOK))
	g.Expect(h.post(0, alice, usersRead, `{"userIDs":["alice"]}`).Status).To(Equal(http.StatusOK))
}

// TestWhoMayAskWhat is the table of the gateway's calls by their proof: 401 without a valid proof for the call, 403 for a caller
// without permission.
func TestWhoMayAskWhat(t *testing.T) {
	h := newTestEnv(t, 1)
	root, alice := h.asAdmin().proof, h.enrol("alice", 1).reply.Token
	ticket := ask[internalapi.IssuedTicket](h, 0, internalapi.PathIssueTicket, alice, internalapi.Empty{})
	grant := ask[internalapi.RedeemedTicket](h, 0, internalapi.PathRedeemTicket, "", internalapi.RedeemTicket{Ticket: ticket.Ticket}).Grant
	nobody := h.key.Sign(t, nil, authtest.Claims(time.Now(), map[string]any{"groups": []string{"staff"}}))
	const head = `{"chain":"0123456789abcdef0123456789abcdef","seq":1,"hash":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","program":"x","instance":"y"}`
	for _, c := range []struct {
		path, body                            string
		none, admin, roleless, user, byTicket int
	}{
		{internalapi.PathLoginKeys, `{}`, 200, 200, 200, 200, 200},
		{internalapi.PathLoginStart, `{"request":{}}`, 200, 200, 200, 200, 200},
		{internalapi.PathLoginFinish, `{"request":{}}`, 200, 200, 200, 200, 200},
		{internalapi.PathIssueTicket, `{}`, 401, 401, 401, 200, 401},
		{internalapi.PathRedeemTicket, `{"ticket":"x"}`, 401, 401, 401, 401, 401}, // for the ticket
		{internalapi.PathIssueCode, `{"userID":"alice","lifetimeSeconds":60}`, 401, 200, 403, 200, 401},
		{internalapi.PathIssueCode, `{"userID":"bob","lifetimeSeconds":60}`, 401, 200, 403, 403, 401},
		{internalapi.PathIssueCode, `{"userID":"alice","nickname":"Root","lifetimeSeconds":60}`, 401, 200, 403, 403, 401},
		{internalapi.PathDropCodes, `{"userID":"carol"}`, 200, 200, 200, 200, 200},
		{internalapi.PathListDevices, `{"userID":"alice"}`, 401, 200, 403, 200, 401},
		{internalapi.PathListDevices, `{"userID":"bob"}`, 401, 200, 403, 403, 401},
		{internalapi.PathRevokeDevices, `{"userID":"alice","deviceID":"x"}`, 401, 200, 403, 200, 401},
		{internalapi.PathRevokeDevices, `{"userID":"bob","deviceID":"x"}`, 401, 200, 403, 403, 401},
		{internalapi.PathRevokeDevices, `{"deviceID":"x"}`, 401, 200, 403, 403, 401},
		{internalapi.PathRevokeDevices, `{"userID":"dave"}`, 401, 200, 403, 403, 401},
		{internalapi.PathSetUser, `{"userID":"carol","disabled":false}`, 401, 200, 403, 401, 401},
		{internalapi.PathOpenIMToken, `{}`, 401, 401, 401, 200, 200},
		{internalapi.PathForceLogout, `{"userID":"carol","platformIDs":[]}`, 200, 200, 200, 200, 200},
		{internalapi.PathMembership, `{"conversationIDs":[]}`, 401, 401, 401, 200, 200},
		{internalapi.PathSender, `{}`, 401, 401, 401, 200, 200},
		{internalapi.PathRegisterHead, head, 200, 200, 200, 200, 200},
		{internalapi.PathListHeads, `{}`, 401, 200, 403, 401, 401},
	} {
		t.Run(c.path+" "+c.body, func(t *testing.T) {
			for who, want := range map[string]struct {
				proof  string
				status int
			}{
				"without a proof": {"", c.none}, "an administrator": {root, c.admin}, "a caller without role": {nobody, c.roleless},
				"a user": {alice, c.user}, "a redeemed ticket": {grant, c.byTicket},
			} {
				a := h.post(0, showing(want.proof), c.path, c.body)
				NewWithT(t).Expect(a.Status).To(Equal(want.status), "%s: %s", who, a.ErrMsg)
			}
		})
	}
}

func TestWhatIsRefusedAtTheInternalPaths(t *testing.T) {
	h := newTestEnv(t, 1)
	for _, c := range []struct {
		name, method, target, body string
		status                     int
		reason                     string
	}{
		{"no such path", "POST", internalapi.Prefix + "/codes", `{}`, 404, "unknown_route"},
		{"the prefix alone", "POST", internalapi.Prefix + "/", `{}`, 404, "unknown_route"},
		{"another spelling", "POST", internalapi.Prefix + "/codes//issue", `{}`, 404, "unknown_route"},
		{"escaped", "POST", internalapi.Prefix + "/codes%2fissue", `{}`, 404, "unknown_route"},
		{"with a query", "POST", internalapi.PathIssueCode + "?x=1", `{}`, 404, "unknown_route"},
		{"another method", "PUT", internalapi.PathIssueCode, `{}`, 415, "wrong_media_type"},
		{"no JSON", "POST", internalapi.PathIssueCode, `userID=alice`, 400, "bad_request"},
		{"a list", "POST", internalapi.PathIssueCode, `[]`, 400, "bad_request"},
		{"a member twice", "POST", internalapi.PathListDevices, `{"userID":"alice","userID":"bob"}`, 400, "bad_request"},
		{"another case", "POST", internalapi.PathListDevices, `{"userid":"alice"}`, 400, "bad_request"},
		{"an unknown member", "POST", internalapi.PathListDevices, `{"userID":"alice","all":true}`, 400, "bad_request"},
		{"another type", "POST", internalapi.PathListDevices, `{"userID":["alice"]}`, 400, "bad_request"},
		{"nobody's list", "POST", internalapi.PathListDevices, `{}`, 400, "bad_request"},
		{"a control character", "POST", internalapi.PathListDevices, `{"userID":"a\u0000b"}`, 400, "bad_request"},
		{"a code for a user whom OpenIM refuses", "POST", internalapi.PathIssueCode, `{"userID":"a:b","lifetimeSeconds":60}`, 400, "bad_request"},
		{"a code for OpenIM's administrator", "POST", internalapi.PathIssueCode, `{"userID":"imAdmin","lifetimeSeconds":60}`, 400, "bad_request"},
		{"a code for the check's sender", "POST", internalapi.PathIssueCode, `{"userID":"openimstack_check_a","lifetimeSeconds":60}`, 400,
			"bad_request"},
		{"a code for the check's receiver", "POST", internalapi.PathIssueCode, `{"userID":"openimstack_check_b","lifetimeSeconds":60}`, 400,
			"bad_request"},
		{"a code with a longer lifetime", "POST", internalapi.PathIssueCode, `{"userID":"alice","lifetimeSeconds":601}`, 400, "bad_request"},
		{"a code without a lifetime", "POST", internalapi.PathIssueCode, `{"userID":"alice","lifetimeSeconds":0}`, 400, "bad_request"},
		{"a code for administrators' platform", "POST", internalapi.PathIssueCode, `{"userID":"alice","platformID":10,"lifetimeSeconds":60}`, 400,
			"bad_request"},
		{"nobody's codes to be dropped", "POST", internalapi.PathDropCodes, `{}`, 400, "bad_request"},
		{"codes of two kinds to be dropped", "POST", internalapi.PathDropCodes, `{"userID":"alice","all":true}`, 400, "bad_request"},
		{"a login from nowhere", "POST", internalapi.PathLoginStart, `{"request":{},"from":"here"}`, 400, "bad_request"},
		{"a logout of platform 0", "POST", internalapi.PathForceLogout, `{"userID":"alice","platformIDs":[0]}`, 400, "bad_request"},
		{"everybody's devices", "POST", internalapi.PathRevokeDevices, `{}`, 400, "bad_request"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			a := h.do(h.request(0, showing(h.asAdmin().proof), c.method, c.target, c.body))
			g.Expect(a.Status).To(Equal(c.status), a.ErrMsg)
			g.Expect(a.Header.Get(wire.HeaderReason)).To(Equal(c.reason))
		})
	}
}

func TestOneReplicasAssertionIsNotAnothers(t *testing.T) {
	g := NewWithT(t)
	h := newTestEnv(t, 2)
	root := h.asAdmin()
	for name, make := range map[string]func(replica int) *http.Request{
		"an administrator's": func(replica int) *http.Request {
			return h.request(replica, root, "POST", wire.AdminPrefix+"/user/get_users_info", `{"userIDs":["alice"]}`)
		},
		"the gateway's": func(replica int) *http.Request {
			return h.request(replica, showing(root.proof), "POST", internalapi.PathSetUser, `{"userID":"alice","nextEpoch":true}`)
		},
		"a handshake": func(replica int) *http.Request {
			return h.request(replica, caller{Principal: auth.Principal{Subject: "gateway", Issuer: "gateway"}}, "GET", wire.HandshakePath, "")
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
	h := newTestEnv(t, 2)
	instance := make([]string, 2)
	for n := range instance {
		instance[n] = h.post(n, asGateway, internalapi.PathLoginKeys, `{}`).Header.Get(wire.HeaderInstance)
		g.Expect(instance[n]).NotTo(BeEmpty())
	}
	g.Expect(instance[0]).NotTo(Equal(instance[1]))
	h.redis.Stop()
	root := h.asAdmin()
	bound := func(at int) *http.Request {
		r := h.request(at, root, "POST", adminWrite, `{"users":[{"userID":"bob","nickname":"Bob"}]}`)
		token, err := auth.Assert(constantKey(assertionKey), auth.Call{
			Principal: root.Principal, Proof: root.proof, Method: "POST", Path: adminWrite, RequestID: r.Header.Get(wire.HeaderRequestID),
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
	g.Expect(h.post(0, root, adminWrite, `{"users":[{"userID":"bob","nickname":"Bob"}]}`).Status).To(Equal(503),
		"one for anybody does need it")
}
