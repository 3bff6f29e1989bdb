package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// TestTheGatewaysOwnRoutesAnswerWhatTheyDeclare from end to end: a member that a handler writes and the table does not declare is
// reported by the log; a declared member that no handler writes fails this test.
func TestTheGatewaysOwnRoutesAnswerWhatTheyDeclare(t *testing.T) {
	g := NewWithT(t)
	n := newTestEnv(t)
	seen := map[string]map[string]bool{} // by the name of the reply
	called := map[string]bool{}
	take := func(listener routes.Listener, path, data string) {
		route := routes.FindOwn(listener, path)
		called[route.Path] = true
		declared, err := route.ProjectReply([]byte(data))
		g.Expect(err).NotTo(HaveOccurred(), path)
		g.Expect(declared.Fields).To(BeZero(), path+" "+data)
		var value any
		g.Expect(json.Unmarshal([]byte(data), &value)).To(Succeed())
		if seen[route.Reply] == nil {
			seen[route.Reply] = map[string]bool{}
		}
		membersOf(value, "", seen[route.Reply])
	}
	call := func(listener routes.Listener, path, body string, headers ...string) {
		address := n.users
		if listener == routes.Admins {
			address, headers = n.admins, []string{"Authorization: Bearer " + n.token(nil)}
		}
		replies := n.send(t, address, post(path, body, headers...))
		g.Expect(replies).To(HaveLen(1))
		g.Expect(replies[0].granted()).To(BeTrue(), path+" "+replies[0].String())
		var envelope struct{ Data json.RawMessage }
		g.Expect(json.Unmarshal([]byte(replies[0].body), &envelope)).To(Succeed())
		take(listener, path, string(envelope.Data))
	}

	document := n.send(t, n.users, message("GET "+wire.WellKnownPath+" HTTP/1.1", ""))
	g.Expect(document).To(HaveLen(1))
	take(routes.Users, wire.WellKnownPath, document[0].body)

	key, err := client.GenerateKey()
	g.Expect(err).NotTo(HaveOccurred())
	code, err := handshake.ParseCode(n.code(t, "carol"))
	g.Expect(err).NotTo(HaveOccurred())
	login := n.begin(t, handshake.Enrol, key, &code, 1)
	call(routes.Users, wire.PathLoginStart, login.start)
	call(routes.Users, wire.PathLoginFinish, login.finish)

	alice := n.people["alice"]
	other := n.enrol(t, "alice", 2)
	token := "token: " + n.login(t, "alice").Token()
	call(routes.Users, wire.PathCodes, `{}`, token)
	call(routes.Users, wire.PathSession, `{}`, token)
	call(routes.Users, wire.PathTickets, `{}`, token)
	call(routes.Users, wire.PathRevokeDevice, fmt.Sprintf(`{"deviceID":%q}`, other.DeviceID), token)
	call(routes.Users, wire.PathDevices, `{}`, token)
	call(routes.Users, wire.PathRevokeSessions, `{"scope":"session"}`, token)

	call(routes.Admins, wire.PathAdminIssueCode, `{"userID":"dave","lifetimeSeconds":60}`)
	call(routes.Admins, wire.PathAdminDevices, `{"userID":"alice"}`)
	call(routes.Admins, wire.PathAdminRevokeDevices, fmt.Sprintf(`{"userID":"alice","deviceID":%q}`, alice.DeviceID))
	call(routes.Admins, wire.PathAdminRevokeSessions, `{"scope":"user","id":"alice"}`)
	call(routes.Admins, wire.PathAdminDisableUser, `{"userID":"alice"}`)
	call(routes.Admins, wire.PathAdminEnableUser, `{"userID":"alice"}`)
	g.Eventually(func() bool { // the first head is registered a second after the start
		call(routes.Admins, wire.PathAdminAuditHeads, `{}`)
		return seen["gateway.AuditHeads"]["heads[].chain"]
	}, patience, "200ms").Should(BeTrue())
	seen["gateway.AuditHeads"]["heads[].ended"] = true // only of an audit log that has ended

	g.Expect(n.logged("does not declare")).To(BeEmpty())
	for i := range routes.OwnRoutes {
		r := &routes.OwnRoutes[i]
		if r.Reply == "" {
			continue
		}
		g.Expect(called[r.Path]).To(BeTrue(), "call it above: "+r.Path)
		for _, field := range r.ReplyFields() {
			g.Expect(seen[r.Reply][field]).To(BeTrue(), r.Path+" never answers "+field)
		}
	}
}

// membersOf records the paths of a value as routes.OwnRoute.ReplyFields writes them.
func membersOf(value any, path string, into map[string]bool) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			membersOf(inner, strings.TrimPrefix(path+"."+name, "."), into)
			into[path+"{}"] = true
		}
	case []any:
		for _, inner := range v {
			membersOf(inner, path+"[]", into)
		}
	default:
		into[path] = true
	}
}
