package crossuser

import (
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
	"github.com/openimstack/openim-operator/wrapper/websocket/sdkws"
)

// checkedConversation is the conversation of the two users of `wrapper check`.
const checkedConversation = "si_" + ids.CheckSender + "_" + ids.CheckReceiver

// sendsMessages runs `wrapper check --mode Messages` on the real OpenIM: one after the other, and at the same time.
func sendsMessages(t *testing.T, s *testEnv) {
	g := NewWithT(t)
	for range 2 {
		g.Expect(s.checkMessages(t)).To(BeEmpty())
	}
	var work sync.WaitGroup
	results := make([][]check.Finding, 2)
	for i := range results {
		work.Go(func() { results[i] = s.checkMessages(t) })
	}
	work.Wait()
	g.Expect(results).To(HaveEach(BeEmpty()))
	for _, user := range []string{ids.CheckSender, ids.CheckReceiver} {
		g.Expect(s.seen(t, user)).To(BeEmpty(), "%s sees a message of a check", user)
	}
	t.Run("users chat as before", func(t *testing.T) {
		a := s.attacker(t)
		got := s.ask(t, a, idSend, messageTo(a.Self, a.Peer, a.secret))
		NewWithT(t).Expect(got.refused()).To(BeFalse(), "%s %s", got.code(), got.reply.ErrMsg)
		s.honest(t, a)
	})
	t.Run("users cannot name the two", func(t *testing.T) { refusesReserved(t, s) })
}

// checkMessages returns the problems of one check, and fails if a step is missing.
func (s *testEnv) checkMessages(t *testing.T) []check.Finding {
	release, err := routes.ParseRelease(s.release)
	if err != nil {
		return []check.Finding{{Name: "release", Problem: err.Error()}}
	}
	c := openimclient.New(openimclient.Options{
		BaseURL: s.OpenIM.URL, AdminUserID: openim.AdminUserID, Secret: secretText(loopback.ShareSecret), Now: time.Now,
	})
	defer c.Close()
	began := time.Now()
	findings := check.Run(t.Context(), c, check.Options{Mode: check.ModeMessages, Release: release, Socket: s.SocketURL})
	t.Logf("a check took %s", time.Since(began).Round(10*time.Millisecond))
	problems := []check.Finding{}
	for _, f := range findings {
		if f.Problem != "" {
			problems = append(problems, f)
		}
	}
	if last := findings[len(findings)-1].Name; last != "logout" && len(problems) == 0 {
		problems = append(problems, check.Finding{Name: last, Problem: "is the last step"})
	}
	return problems
}

// messageTo encodes a text message.
func messageTo(from, to, words string) []byte {
	return sdkws.Message{
		SendID: from, RecvID: to, ClientMsgID: rand.Text(), PlatformID: iOS, SessionType: sdkws.SessionSingle,
		ContentType: sdkws.ContentText, Content: fmt.Appendf(nil, `{"content":%q}`, words), CreateTime: time.Now().UnixMilli(),
	}.Marshal()
}

// seen returns the messages of the two users' conversation that one of them sees, in any way to pull.
func (s *testEnv) seen(t *testing.T, user string) []string {
	t.Helper()
	data := s.OpenIM.Must(t, "/msg/pull_msg_by_seq", object{"userID": user, "order": 0, "seqRanges": []object{
		{"conversationID": checkedConversation, "begin": 1, "end": 1000, "num": 1000},
	}})
	var seen []string
	messages, _ := loopback.At(data, "msgs", checkedConversation, "Msgs").([]any)
	if len(messages) == 0 {
		t.Errorf("OpenIM has no trace of the checks")
	}
	for _, m := range messages {
		if text := fmt.Sprint(loopback.At(m, "content")); strings.Contains(text, "check") || loopback.At(m, "status") != 4.0 {
			seen = append(seen, fmt.Sprint(m))
		}
	}
	return seen
}

// refusesReserved names the two users in a user's calls and frames, and asks for an enrolment code for them.
func refusesReserved(t *testing.T, s *testEnv) {
	attacker := s.attacker(t)
	admin, err := s.Frontend.Admin()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, reserved := range []string{ids.CheckSender, ids.CheckReceiver} {
		g := NewWithT(t)
		code, err := admin.Post(t.Context(), "/wrapper/codes/issue", object{"userID": reserved, "platformID": iOS, "lifetimeSeconds": 60})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(code.OK()).To(BeFalse(), "a code for %s", reserved)
		for path, body := range map[string]object{
			"/friend/add_friend":   {"fromUserID": attacker.Self, "toUserID": reserved},
			"/user/get_users_info": {"userIDs": []string{attacker.Peer, reserved}},
			"/friend/add_black":    {"ownerUserID": attacker.Self, "blackUserID": reserved},
		} {
			reply, err := s.through(attacker).Post(t.Context(), path, body)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(reply.OK()).To(BeFalse(), "%s with %s", path, reserved)
		}
		to := routestest.Identities{Self: attacker.Self, Peer: reserved}
		g.Expect(s.ask(t, attacker, idSend, messageTo(attacker.Self, reserved, "x")).refused()).To(BeTrue(), "a message to %s", reserved)
		g.Expect(s.ask(t, attacker, 1005, conversations(1005, attacker.Self, to.Pair())).refused()).To(BeTrue(), "a pull of %s", to.Pair())
	}
}
