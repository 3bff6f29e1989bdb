package main

import (
	"encoding/base64"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// internalPaths are the paths of the internal API.
var internalPaths = []string{
	internalapi.PathLoginKeys, internalapi.PathLoginStart, internalapi.PathLoginFinish, internalapi.PathIssueTicket,
	internalapi.PathRedeemTicket, internalapi.PathIssueCode, internalapi.PathDropCodes, internalapi.PathListDevices,
	internalapi.PathRevokeDevices, internalapi.PathSetUser, internalapi.PathOpenIMToken, internalapi.PathForceLogout,
	internalapi.PathMembership, internalapi.PathSender,
	internalapi.PathRegisterHead, internalapi.PathListHeads, wire.HandshakePath,
}

func attackPrivilege(t *testing.T, n *testEnv) {
	user, admin := "token: "+n.people["alice"].Token(), "Authorization: Bearer "+n.token(nil)
	userBearer, adminToken := "Authorization: Bearer "+n.people["alice"].Token(), "token: "+n.token(nil)
	try := func(t *testing.T, address, request, canary string) {
		t.Helper()
		for _, r := range n.send(t, address, request) {
			NewWithT(t).Expect(r.granted()).To(BeFalse(), r.String())
		}
		n.nothingReached(t, canary)
	}
	for _, r := range routes.Table {
		line := func(prefix string) string { return r.Method + " " + prefix + r.Path + " HTTP/1.1" }
		body := func(canary string) string {
			return `{"userID":"` + canary + `","userIDs":["` + canary + `"],"ownerUserID":"` + canary + `","sendID":"` + canary + `"}`
		}
		if !r.ForUsers() {
			n.each(t, "a user, users' listener, "+r.Path, func(t *testing.T) {
				canary := n.canary()
				try(t, n.users, message(line(wire.UserPrefix), body(canary), user), canary)
			})
		}
		n.each(t, "a user, administrators' listener, "+r.Path, func(t *testing.T) {
			canary := n.canary()
			try(t, n.admins, message(line(wire.AdminPrefix), body(canary), userBearer), canary)
		})
		n.each(t, "a user, administrators' listener, header token, "+r.Path, func(t *testing.T) {
			canary := n.canary()
			try(t, n.admins, message(line(wire.AdminPrefix), body(canary), user), canary)
		})
		if !r.ForAdmins() {
			n.each(t, "an administrator, administrators' listener, "+r.Path, func(t *testing.T) {
				canary := n.canary()
				try(t, n.admins, message(line(wire.AdminPrefix), body(canary), admin), canary)
			})
		}
		n.each(t, "an administrator, users' listener, "+r.Path, func(t *testing.T) {
			canary := n.canary()
			try(t, n.users, message(line(wire.UserPrefix), body(canary), admin), canary)
			try(t, n.users, message(line(wire.UserPrefix), body(canary), adminToken), canary)
		})
	}
	for _, own := range routes.OwnRoutes {
		if own.Listener == routes.Admins {
			n.each(t, "a user, "+own.Path, func(t *testing.T) {
				canary := n.canary()
				try(t, n.admins, post(own.Path, `{"userID":"`+canary+`","scope":"all"}`, userBearer), canary)
				try(t, n.users, post(own.Path, `{"userID":"`+canary+`","scope":"all"}`, user), canary)
			})
		} else if own.Session && own.Method == http.MethodPost {
			n.each(t, "an administrator, "+own.Path, func(t *testing.T) {
				canary := n.canary()
				try(t, n.users, post(own.Path, `{"deviceID":"`+canary+`"}`, admin), canary)
				try(t, n.admins, post(own.Path, `{"deviceID":"`+canary+`"}`, admin), canary)
			})
		}
	}
	for _, path := range internalPaths {
		for _, target := range []string{path, wire.UserPrefix + path, wire.AdminPrefix + path, wire.AuthPrefix + path} {
			n.each(t, "from outside, "+target, func(t *testing.T) {
				g := NewWithT(t)
				canary := n.canary()
				for _, line := range []string{"POST ", "GET "} {
					for _, c := range []struct{ address, credential string }{{n.users, user}, {n.admins, admin}} {
						replies := n.send(t, c.address, message(line+target+" HTTP/1.1", `{"userID":"`+canary+`"}`, c.credential))
						g.Expect(replies).To(HaveLen(1))
						g.Expect(replies[0].status).To(Equal(http.StatusNotFound), replies[0].String())
					}
				}
				n.nothingReached(t, canary)
			})
		}
	}
	n.attackOthersDevices(t)
	n.attackBackend(t)
}

// attackOthersDevices: a user can end their own sessions and devices alone.
func (n *testEnv) attackOthersDevices(t *testing.T) {
	alice, bob := n.people["alice"], n.people["bob"]
	for name, c := range map[string]struct{ path, body string }{
		"bob's device":                      {wire.PathRevokeDevice, `{"deviceID":"` + bob.DeviceID + `"}`},
		"bob's device, named with its user": {wire.PathRevokeDevice, `{"deviceID":"` + bob.DeviceID + `","userID":"bob"}`},
		"bob's session":                     {wire.PathRevokeSessions, `{"scope":"session","id":"` + bob.ID + `"}`},
		"bob as a user":                     {wire.PathRevokeSessions, `{"scope":"user","id":"bob"}`},
		"everybody":                         {wire.PathRevokeSessions, `{"scope":"all"}`},
		"a code for bob":                    {wire.PathCodes, `{"platformID":1,"userID":"bob"}`},
		"a code for bob in other capit.":    {wire.PathCodes, `{"platformID":1,"UserID":"bob"}`},
		"bob's devices":                     {wire.PathDevices, `{"userID":"bob"}`},
	} {
		n.each(t, "of others, "+name, func(t *testing.T) {
			g := NewWithT(t)
			replies := n.send(t, n.users, post(c.path, c.body, "token: "+alice.Token()))
			g.Expect(replies).To(HaveLen(1))
			g.Expect(replies[0].body).NotTo(Or(ContainSubstring(bob.DeviceID), ContainSubstring(`"v1.`)))
			g.Expect(n.otherUser(t)).To(BeEmpty(), "bob is served")
			g.Expect(alice.Check(t.Context())).To(Succeed())
		})
	}
}

type constantKey string

func (c constantKey) Get() ([]byte, error) { return []byte(c), nil }

// attackBackend calls the backend directly, as an attacker behind the gateway.
func (n *testEnv) attackBackend(t *testing.T) {
	backend := n.backend.Main.Address()
	first := n.canary()
	n.send(t, n.users, post(usersInfo, whois(first), "token: "+n.people["alice"].Token()))
	recorded := n.tap.holding(first)
	NewWithT(t).Expect(recorded).To(HaveLen(1))
	assertion, id := recorded[0].Header.Get("Authorization"), recorded[0].Header.Get("X-Request-Id")
	alice, bob, admin := n.people["alice"], n.people["bob"], n.token(nil)
	NewWithT(t).Expect(recorded[0].Header.Get(wire.HeaderProof)).To(Equal(alice.Token()))
	n.secret("an assertion", strings.TrimPrefix(assertion, "Bearer "))
	type shot struct {
		name, method, target, body, authorization, id, proof string
	}
	shots := []shot{
		{"as it was", "POST", usersInfo, whois(first), assertion, id, ""},
		{"with another body", "POST", usersInfo, whois("bob"), assertion, id, ""},
		{"with another path", "POST", wire.UserPrefix + "/user/update_user_info", whois(first), assertion, id, ""},
		{"with another id", "POST", usersInfo, whois(first), assertion, "r-2", ""},
		{"with another method", "GET", usersInfo, "", assertion, id, ""},
		{"at the admins' prefix", "POST", adminUsersInfo, whois(first), assertion, id, ""},
		{"at the link", "POST", internalapi.PathOpenIMToken, `{"userID":"alice","platformID":1}`, assertion, id, ""},
		{"cut", "POST", usersInfo, whois(first), assertion[:len(assertion)-2], id, ""},
		{"none", "POST", usersInfo, whois(first), "", id, ""},
		{"OpenIM's token", "POST", usersInfo, whois(first), "Bearer " + openimtest.Token(1), id, ""},
		{"a session", "POST", usersInfo, whois(first), "Bearer " + n.people["alice"].Token(), id, ""},
		{"an administrator's JWT", "POST", adminUsersInfo, whois(first), "Bearer " + n.token(nil), id, ""},
		{"without a signature", "POST", usersInfo, whois(first), assertion[:len(assertion)-43], id, ""},
		{
			"a JWT that nobody signed",
			"POST",
			usersInfo,
			whois(first),
			"Bearer " + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + ".e30.",
			id,
			"",
		},
	}
	for i := range shots {
		shots[i].proof = alice.Token()
	}
	shots = append(shots, shot{"with another's proof", "POST", usersInfo, whois(first), assertion, id, bob.Token()},
		shot{"without its proof", "POST", usersInfo, whois(first), assertion, id, ""})
	asUser := auth.Principal{Subject: "alice", Issuer: auth.UserIssuer, Role: auth.RoleUser, Session: alice.ID, Device: alice.DeviceID,
		PlatformID: 1}
	asAdmin := auth.Principal{Subject: authtest.Subject, Issuer: authtest.Issuer, Role: auth.RoleAdmin}
	asGateway := auth.Principal{Subject: "gateway", Issuer: "gateway", Role: auth.RoleGateway}
	asNobody := auth.Principal{Subject: "alice", Issuer: auth.UserIssuer}
	asForeigner := auth.Principal{Subject: "alice", Issuer: authtest.Issuer, Role: auth.RoleUser, Session: alice.ID, Device: alice.DeviceID,
		PlatformID: 1}
	const tokenCall, setUser, codeOfAlice = `{}`, `{"userID":"alice","disabled":true}`, `{"userID":"alice","lifetimeSeconds":60}`
	forged := n.forgedSession(t)
	nobody := n.token(map[string]any{"groups": []string{"staff"}})
	n.secret("a token without role", nobody)
	for _, c := range []struct {
		name         string
		who          auth.Principal
		key          string
		target, body string
		age          time.Duration
		proof        string
	}{
		{"a user at the admins' prefix", asUser, assertionKey, adminUsersInfo, whois("x"), 0, alice.Token()},
		{"a user at the link", asUser, assertionKey, internalapi.PathOpenIMToken, tokenCall, 0, alice.Token()},
		{"a user at the link, users", asUser, assertionKey, internalapi.PathSetUser, setUser, 0, admin},
		{"an administrator at the users' prefix", asAdmin, assertionKey, usersInfo, whois("x"), 0, admin},
		{"an administrator at the link", asAdmin, assertionKey, internalapi.PathOpenIMToken, tokenCall, 0, admin},
		{"the gateway at the users' prefix", asGateway, assertionKey, usersInfo, whois("x"), 0, alice.Token()},
		{"the gateway at the admins' prefix", asGateway, assertionKey, adminUsersInfo, whois("x"), 0, admin},
		{"a user without a role", asNobody, assertionKey, usersInfo, whois("x"), 0, alice.Token()},
		{"a user of another issuer", asForeigner, assertionKey, usersInfo, whois("x"), 0, alice.Token()},
		{"another key, a user", asUser, strings.Repeat("k", 40), usersInfo, whois("x"), 0, alice.Token()},
		{"another key, the gateway", asGateway, strings.Repeat("k", 40), internalapi.PathOpenIMToken, tokenCall, 0, alice.Token()},
		{"an old one", asUser, assertionKey, usersInfo, whois("x"), time.Minute, alice.Token()},
		{"one of tomorrow", asUser, assertionKey, usersInfo, whois("x"), -24 * time.Hour, alice.Token()},
		// From here on as an attacker who controls the gateway, its key and its Redis.
		{"the holder, alice without a proof", asUser, assertionKey, usersInfo, whois("x"), 0, ""},
		{"the holder, alice by bob's session", asUser, assertionKey, usersInfo, whois("x"), 0, bob.Token()},
		{"the holder, alice by an administrator's token", asUser, assertionKey, usersInfo, whois("x"), 0, admin},
		{"the holder, alice by a session in Redis that it made up", asUser, assertionKey, usersInfo, whois("x"), 0, forged},
		{"the holder, an administrator without a proof", asAdmin, assertionKey, adminUsersInfo, whois("x"), 0, ""},
		{"the holder, an administrator by alice's session", asAdmin, assertionKey, adminUsersInfo, whois("x"), 0, alice.Token()},
		{"the holder, an administrator by a token without role", asAdmin, assertionKey, adminUsersInfo, whois("x"), 0, nobody},
		{"the holder, alice's OpenIM token without a proof", asGateway, assertionKey, internalapi.PathOpenIMToken, tokenCall, 0, ""},
		{"the holder, alice's OpenIM token by a made up session", asGateway, assertionKey, internalapi.PathOpenIMToken, tokenCall, 0, forged},
		{"the holder, an OpenIM token by an administrator's", asGateway, assertionKey, internalapi.PathOpenIMToken, tokenCall, 0, admin},
		{"the holder, a code for alice without a proof", asGateway, assertionKey, internalapi.PathIssueCode, codeOfAlice, 0, ""},
		{"the holder, a code for alice by bob's session", asGateway, assertionKey, internalapi.PathIssueCode, codeOfAlice, 0, bob.Token()},
		{"the holder, a code for alice by a token without role", asGateway, assertionKey, internalapi.PathIssueCode, codeOfAlice, 0, nobody},
		{"the holder, alice disabled by alice", asGateway, assertionKey, internalapi.PathSetUser, setUser, 0, alice.Token()},
		{"the holder, alice disabled without a proof", asGateway, assertionKey, internalapi.PathSetUser, setUser, 0, ""},
		{"the holder, bob's devices by alice", asGateway, assertionKey, internalapi.PathListDevices, `{"userID":"bob"}`, 0, alice.Token()},
		{"the holder, bob's devices revoked by alice", asGateway, assertionKey, internalapi.PathRevokeDevices,
			`{"userID":"bob","deviceID":"` + bob.DeviceID + `"}`, 0, alice.Token()},
		{"the holder, a ticket by a made up session", asGateway, assertionKey, internalapi.PathIssueTicket, `{}`, 0, forged},
	} {
		id := wire.NewRequestID()
		token, err := auth.Assert(constantKey(c.key), auth.Call{Principal: c.who, Method: http.MethodPost, Path: c.target, RequestID: id,
			Body: []byte(c.body), Proof: c.proof}, time.Now().Add(-c.age))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		shots = append(shots, shot{c.name, "POST", c.target, c.body, "Bearer " + token, id, c.proof})
	}
	for _, path := range internalPaths {
		shots = append(shots, shot{"nobody at " + path, "POST", path, tokenCall, "", wire.NewRequestID(), admin})
	}
	for _, s := range shots {
		n.each(t, "the backend, "+s.name, func(t *testing.T) {
			g := NewWithT(t)
			mark := n.mark()
			lines := []string{"X-Request-Id: " + s.id}
			if s.authorization != "" {
				lines = append(lines, "Authorization: "+s.authorization)
			}
			if s.proof != "" {
				lines = append(lines, wire.HeaderProof+": "+s.proof)
			}
			replies := n.send(t, backend, message(s.method+" "+s.target+" HTTP/1.1", s.body, lines...))
			g.Expect(replies).To(HaveLen(1))
			g.Expect(replies[0].status).To(BeElementOf(401, 403, 404), replies[0].String())
			g.Expect(replies[0].body).NotTo(ContainSubstring("eyJ"))
			g.Expect(n.since(mark)).To(BeEmpty())
		})
	}
}

// forgedSession returns the token of a session of alice's that an attacker wrote to Redis.
func (n *testEnv) forgedSession(t *testing.T) string {
	t.Helper()
	hour := func() time.Duration { return time.Hour }
	store := session.New(session.Options{
		Redis: n.redis.Open(
			"im/chat:",
		), Lifetime: hour, Idle: hour, Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	token, _, err := store.Create(t.Context(), "alice", n.people["alice"].DeviceID, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	n.secret("a made up session", token)
	return token
}

// searchForSecrets searches all output of the wrapper.
func searchForSecrets(t *testing.T, n *testEnv) {
	g := NewWithT(t)
	// A message whose text would be found if anything stored it.
	g.Expect(n.send(t, n.admins, post(wire.AdminPrefix+"/msg/send_msg",
		`{"sendID":"alice","recvID":"bob","content":{"content":"`+messageText+`"},"contentType":101,"sessionType":1}`,
		"Authorization: Bearer "+n.token(nil)))[0].granted()).To(BeTrue())
	ws := n.gorilla(t, "&sdkType=js")
	sent := n.canary()
	g.Expect(ws.send(map[string]any{"reqIdentifier": 1003, "sendID": "alice", "operationID": sent, "msgIncr": "1",
		"data": []byte(pb{}.str(1, "alice").str(2, "bob").str(4, "c1").num(9, 1).num(11, 101).str(12, messageText))})).To(Succeed())
	resp, err := ws.next()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(resp.ErrCode).To(BeZero(), resp.ErrMsg)
	g.Expect(n.frames(sent)).To(HaveLen(1))
	auditLog := func() string {
		data, err := os.ReadFile(n.auditPath)
		g.Expect(err).NotTo(HaveOccurred())
		return string(data)
	}
	g.Eventually(auditLog, patience).Should(ContainSubstring(sent), "the audit log has the message's sending")

	places := map[string]string{"the log": n.log.String(), "the audit log": auditLog(), "replies to attackers": n.replies.String()}
	for name, address := range map[string]string{"the gateway's metrics": n.gateway.Telemetry.Address(),
		"the backend's metrics": n.backend.Telemetry.Address()} {
		resp, err := http.Get("http://" + address + "/metrics")
		g.Expect(err).NotTo(HaveOccurred())
		data, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		g.Expect(err).NotTo(HaveOccurred())
		places[name] = string(data)
	}
	for name, text := range places {
		g.Expect(len(text)).To(BeNumerically(">", 1000), name)
	}
	// A JWT is recognised by its second part, the claims, after a dot. Its first three letters alone occur in random base64 by chance: once in
	// 262,144 places, and the replies to a corpus hold tens of thousands.
	secrets := map[string]string{
		"share.secret": openimtest.Secret, "the assertion key": assertionKey, "the custody key": custodyKey, "Redis' password": n.redis.Password,
		"a message's text":           messageText,
		"a message's text in base64": base64.StdEncoding.EncodeToString([]byte(messageText))[:20],
		"the login's private key":    base64.RawURLEncoding.EncodeToString(n.server.Bytes()),
		"a JWT":                      ".eyJ", "a Go stack": "goroutine ", "a place in Go's source": ".go:",
		"alice's device key": n.people["alice"].device.Key.Reveal(),
	}
	maps.Copy(secrets, n.secrets)
	for name, secret := range secrets {
		n.each(t, name, func(t *testing.T) {
			for place, text := range places {
				if at := strings.Index(text, secret); at >= 0 {
					t.Errorf("%s: ...%s...", place, strings.ReplaceAll(text[max(0, at-120):at], secret, "*"))
				}
			}
		})
	}
}
