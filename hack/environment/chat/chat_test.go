package chat_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
)

// gateway answers every call with one reply and remembers the last request.
type gateway struct {
	status int
	reply  string
	path   string
	header http.Header
	body   map[string]any
}

func (s *gateway) start(t *testing.T) chat.Admin {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.path, s.header, s.body = r.URL.Path, r.Header.Clone(), map[string]any{}
		_ = json.NewDecoder(r.Body).Decode(&s.body)
		w.WriteHeader(s.status)
		_, _ = io.WriteString(w, s.reply)
	}))
	t.Cleanup(server.Close)
	return chat.Admin{Address: strings.TrimPrefix(server.URL, "http://"), Token: "t"}
}

func TestADocumentHoldsAHundredMessages(t *testing.T) {
	for seq, want := range map[int64]string{1: "si_a_b:0", 100: "si_a_b:0", 101: "si_a_b:1", 200: "si_a_b:1", 201: "si_a_b:2"} {
		NewWithT(t).Expect(chat.Document("si_a_b", seq)).To(Equal(want))
	}
}

func TestRegisteringGoesToTheGatewayWithTheToken(t *testing.T) {
	g := NewWithT(t)
	s := &gateway{status: 200, reply: `{"errCode":0,"errMsg":"","errDlt":""}`}
	created, err := s.start(t).Register(t.Context(), "alice", "bob")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(created).To(BeTrue())
	g.Expect(s.path).To(Equal("/admin/v1/user/user_register"))
	g.Expect(s.header.Get("Authorization")).To(Equal("Bearer t"))
	g.Expect(s.body["users"]).To(HaveLen(2))
}

func TestExistingUsersAreNoErrorOtherRefusalsAre(t *testing.T) {
	g := NewWithT(t)
	created, err := (&gateway{status: 200, reply: `{"errCode":1102,"errMsg":"RegisteredAlreadyError"}`}).start(t).
		Register(t.Context(), "alice")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(created).To(BeFalse())
	_, err = (&gateway{status: 401, reply: `{"errCode":1502,"errMsg":"the bearer token is not acceptable"}`}).start(t).
		Register(t.Context(), "alice")
	g.Expect(err).To(MatchError(ContainSubstring("HTTP 401, errCode 1502")))
}

func TestARefusalIsAReply(t *testing.T) {
	g := NewWithT(t)
	admin := (&gateway{status: 403, reply: `{"errCode":1002,"errMsg":"called by nobody"}`}).start(t)
	admin.Token = ""
	reply, err := admin.Post(t.Context(), "/auth/get_admin_token", map[string]string{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.OK()).To(BeFalse())
	g.Expect(reply.Status).To(Equal(403))
}

func TestAReplyWithoutAnEnvelopeIsAnError(t *testing.T) {
	_, err := (&gateway{status: 502, reply: `<html>bad gateway</html>`}).start(t).Post(t.Context(), "/msg/send_msg", nil)
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("without OpenIM's envelope")))
}

func TestAMessageWithoutAnIDWasNotSent(t *testing.T) {
	_, err := (&gateway{status: 200, reply: `{"errCode":0,"data":{}}`}).start(t).Send(t.Context(), "alice", "bob", "hi")
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("without a serverMsgID")))
}

func TestTheNewestSeqIsReadWhetherWrittenAsNumberOrString(t *testing.T) {
	for _, seq := range []string{`7`, `"7"`} {
		g := NewWithT(t)
		admin := (&gateway{status: 200, reply: `{"errCode":0,"data":{"maxSeqs":{"si_alice_bob":` + seq + `}}}`}).start(t)
		g.Expect(admin.NewestSeq(t.Context(), "bob", "si_alice_bob")).To(Equal(int64(7)))
		g.Expect(admin.NewestSeq(t.Context(), "bob", "si_bob_carol")).To(BeZero())
	}
}

func TestOnlyTheMessageOfThatSeqIsPulled(t *testing.T) {
	g := NewWithT(t)
	s := &gateway{
		status: 200,
		reply:  `{"errCode":0,"data":{"msgs":{"si_alice_bob":{"Msgs":[{"seq":6,"serverMsgID":"x"},{"seq":7,"serverMsgID":"y"}]}}}}`,
	}
	admin := s.start(t)
	pulled, err := admin.Pull(t.Context(), "bob", "si_alice_bob", 7)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(pulled.ServerID).To(Equal("y"))
	_, err = admin.Pull(t.Context(), "bob", "si_alice_bob", 8)
	g.Expect(err).To(MatchError(ContainSubstring("returned no message 8")))
}

func TestACounterIsSummedOverItsLabelsAndZeroWhenAbsent(t *testing.T) {
	g := NewWithT(t)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/metrics" {
			_, _ = io.WriteString(
				w,
				"# TYPE msg_insert_mongo_success_total counter\nmsg_insert_mongo_success_total{a=\"1\"} 2\nmsg_insert_mongo_success_total{a=\"2\"} 3\n",
			)
		}
	}))
	t.Cleanup(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	g.Expect(chat.Counter(t.Context(), address, chat.Persisted, nil)).To(BeEquivalentTo(5))
	g.Expect(chat.Counter(t.Context(), address, chat.Produced, nil)).To(BeZero())
}
