package backend

import (
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// replies answers each call with the same data.
func replies(data string) *openIMAsUser {
	return &openIMAsUser{answer: func(openimclient.Request, string) (wire.Envelope, error) {
		return wire.Envelope{Data: json.RawMessage(data)}, nil
	}}
}

// TestARepliesUnknownFieldsStayBehind: a newer OpenIM's field is dropped and counted, and the next call is as ever.
func TestARepliesUnknownFieldsStayBehind(t *testing.T) {
	g := NewWithT(t)
	metrics := newReplyMetrics(prometheus.NewRegistry())
	openim := replies(`{"usersInfo":[{"userID":"bob","nickname":"Bob","phone":"+1","faceURL":""}],"next":{"page":[1,{"a":2}]}}`)
	h, _ := usersHandler(openim, routes.LastRelease, func(o *UsersOptions) { o.Replies = metrics })
	ask := func() string {
		w := serveOne(h, userRequest(t, "POST", "/user/get_users_info", `{"userIDs":["bob"]}`))
		g.Expect(w.Code).To(Equal(200))
		return w.Body.String()
	}
	want := `{"errCode":0,"errMsg":"","errDlt":"","data":{"usersInfo":[{"userID":"bob","nickname":"Bob","faceURL":""}]}}`
	g.Expect(ask()).To(Equal(want))
	g.Expect(testutil.ToFloat64(metrics.fields.WithLabelValues("user/get_users_info"))).To(Equal(2.0))
	g.Expect(testutil.CollectAndCount(metrics.entries)).To(BeZero())

	*openim = *replies(`{"usersInfo":[{"userID":"bob","nickname":"Bob","faceURL":""}]}`)
	g.Expect(ask()).To(Equal(want))
	g.Expect(testutil.ToFloat64(metrics.fields.WithLabelValues("user/get_users_info"))).To(Equal(2.0))
}

// TestAReplyOfAnotherTypeIsNotPassedOn: the client gets an error, the log the field's name, neither the value; then the service continues.
func TestAReplyOfAnotherTypeIsNotPassedOn(t *testing.T) {
	g := NewWithT(t)
	openim := replies(`{"conversationIDs":"` + "s3cret" + `"}`)
	h, log := usersHandler(openim, routes.LastRelease, nil)
	ask := func() (int, string) {
		w := serveOne(h, userRequest(t, "POST", "/conversation/get_pinned_conversation_ids", `{}`))
		return w.Code, w.Body.String()
	}
	code, body := ask()
	g.Expect(code).To(Equal(502))
	g.Expect(body).To(ContainSubstring(`"errCode":500`))
	g.Expect(log.String()).To(And(ContainSubstring("conversationIDs is not a list"), Not(ContainSubstring("s3cret"))))
	g.Expect(body).NotTo(ContainSubstring("s3cret"))

	*openim = *replies(`{"conversationIDs":["si_alice_bob"]}`)
	code, body = ask()
	g.Expect(code).To(Equal(200))
	g.Expect(body).To(ContainSubstring(`"data":{"conversationIDs":["si_alice_bob"]}`))
}

// TestTheReplysGroupsAreLookedUp: /jssdk/get_active_conversations names no conversation, and OpenIM finds messages by a pattern.
func TestTheReplysGroupsAreLookedUp(t *testing.T) {
	g := NewWithT(t)
	entry := func(id, sender, receiver, group string) string {
		return `{"conversation":{"ownerUserID":"alice","conversationID":"` + id + `"},` +
			`"lastMsg":{"sendID":"` + sender + `","recvID":"` + receiver + `","groupID":"` + group + `","content":"eA=="}}`
	}
	mine := []string{
		entry("si_alice_bob", "bob", "alice", ""),
		entry("sg_4711", "carol", "", "4711"),
		entry("si_alice_b_c", "b_c", "alice", ""),
	}
	theirs := []string{
		entry("si_bob_carol", "bob", "carol", ""),
		entry("sg_815", "carol", "", "815"),
		entry("sg_4711", "bob", "carol", ""), // what a pattern finds
		entry("si_alice_bob", "bob", "alicex", ""),
		entry("si_alice_b_d", "b_d", "alice", ""), // another pair's too
		strings.Replace(entry("si_alice_bob", "bob", "alice", ""), `"ownerUserID":"alice"`, `"ownerUserID":"bob"`, 1),
	}
	metrics := newReplyMetrics(prometheus.NewRegistry())
	openim := replies(`{"unreadCount":9,"conversations":[` + strings.Join(append(append([]string{}, theirs...), mine...), ",") + `]}`)
	h, _ := usersHandler(openim, routes.LastRelease, func(o *UsersOptions) { o.Replies = metrics })
	w := serveOne(h, userRequest(t, "POST", "/jssdk/get_active_conversations", `{"count":10}`))
	g.Expect(w.Code).To(Equal(200), w.Body.String())
	data := `{"unreadCount":9,"conversations":[` + strings.Join(mine, ",") + `]}`
	g.Expect(w.Body.String()).To(MatchJSON(`{"errCode":0,"errMsg":"","errDlt":"","data":` + data + `}`))
	g.Expect(testutil.ToFloat64(metrics.entries.WithLabelValues("jssdk/get_active_conversations"))).To(Equal(float64(len(theirs))))
}

// TestWhileMembershipCannotBeToldNothingOfTheReplyLeaves, and afterwards it does.
func TestWhileMembershipCannotBeToldNothingOfTheReplyLeaves(t *testing.T) {
	g := NewWithT(t)
	openim := replies(`{"maxSeqs":{"sg_4711":7,"sg_815":8,"si_alice_bob":9}}`)
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{openimclient.ErrUnavailable, 503, ""},
		{nil, 200, `"data":{"maxSeqs":{"sg_4711":7,"si_alice_bob":9}}`},
	} {
		h, _ := usersHandler(openim, 0, func(o *UsersOptions) { o.Members = aliceGroups{c.err} })
		w := serveOne(h, userRequest(t, "POST", "/msg/newest_seq", `{}`))
		g.Expect(w.Code).To(Equal(c.code))
		g.Expect(w.Body.String()).To(ContainSubstring(c.want))
		g.Expect(w.Body.String()).NotTo(ContainSubstring("815"))
	}
}

func TestAnErrorsDataStaysBehind(t *testing.T) {
	g := NewWithT(t)
	openim := &openIMAsUser{answer: func(openimclient.Request, string) (wire.Envelope, error) {
		return wire.Envelope{ErrCode: 1001, ErrMsg: "ArgsError", Data: json.RawMessage(`{"anything":1}`)}, nil
	}}
	h, _ := usersHandler(openim, 0, nil)
	w := serveOne(h, userRequest(t, "POST", "/msg/newest_seq", `{}`))
	g.Expect(w.Body.String()).To(Equal(`{"errCode":1001,"errMsg":"ArgsError","errDlt":""}`))
}
