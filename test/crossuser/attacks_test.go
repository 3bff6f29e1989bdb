package crossuser

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
	"github.com/openimstack/openim-operator/wrapper/websocket"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
)

// Socket requests that the attacks use.
const (
	idReadSeq     = 1006
	idLastMessage = 1007
	idPresence    = 2005
)

// attack is an attempt by an attacker who knows OpenIM well. The test fails when the attack succeeds, or when honest use fails afterwards.
type attack struct {
	name string
	try  func(*testing.T, *testEnv)
}

var attacks = []attack{
	{"the last message of a conversation whose ID has the requested ID as its beginning", lastMessageOfLongerIDs},
	{"a group whose ID is a regular expression", groupWithPattern},
	{"keyword and group of the member list exchanged", swappedKeyword},
	{"an empty list after the removal from a group", emptyListAfterKick},
	{"the read mark of a group that the user was removed from", readMarkAfterKick},
	{"a span of forty million numbers", hugeSpan},
	{"a read mark in the far future", hugeReadMark},
	{"keys for invented conversations", inventedConversations},
	{"a private chat with a user who has blocked the attacker", privateChatOfBlocked},
	{"a dismissed group is brought back", revivedGroup},
	{"presence of all users on one socket", presencePile},
	{"a message that makes a group's history too large", hugeMessage},
	{"names of files in another user's folder", foreignFolders},
	{"sizes of files that are none", sizesThatAreNone},
	{"another user's ticket of an upload, and forged ones", foreignTickets},
	{"the signed address of another user's file, changed or written to", signedURLs},
	{"scaled pictures of another user's file", pictures},
}

func attackAll(t *testing.T, s *testEnv) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) { a.try(t, s) })
	}
}

// conversations returns the body of a request that names conversations.
func conversations(id int32, user string, names ...string) []byte {
	r := websocket.Find(id)
	out := r.Example(websocket.Names{User: user, Conversation: names[0]})
	for _, f := range r.Fields {
		if f.Rule != websocket.Conversation {
			continue
		}
		for _, name := range names[1:] {
			out = protowire.AppendString(protowire.AppendTag(out, f.Number, protowire.BytesType), name)
		}
	}
	return out
}

func (s *testEnv) ask(t *testing.T, a *attacker, id int32, data []byte) said {
	t.Helper()
	return ask(t, s.Frontend.SocketURL(), a.Self, a.session.Token(), iOS, id, data)
}

// honest checks that honest use still works after an attack: the attacker's own last message, over a new socket.
func (s *testEnv) honest(t *testing.T, a *attacker) {
	t.Helper()
	NewWithT(t).Eventually(func(g Gomega) { // OpenIM reads it from MongoDB, where it arrives after Redis
		got := s.ask(t, a, idLastMessage, conversations(idLastMessage, a.Self, a.Pair()))
		g.Expect(got.refused()).To(BeFalse(), "one's own last message: %s %s", got.code(), got.reply.ErrMsg)
		g.Expect(string(got.reply.Data)).To(ContainSubstring(a.secret), "one's own last message is told")
	}, patience, 100*time.Millisecond).Should(Succeed())
}

func lastMessageOfLongerIDs(t *testing.T, s *testEnv) {
	attacker, victim := s.besides(t)
	for _, conversation := range []string{attacker.Pair(), attacker.GroupChat()} {
		got := s.ask(t, attacker, idLastMessage, conversations(idLastMessage, attacker.Self, conversation))
		NewWithT(t).Expect(victim.leaksTo(got.reply)).To(BeFalse(), "%s tells %q", conversation, got.reply.Data)
	}
	// OpenIM answers with one message of all conversations whose ID begins with the requested ID. When that is another user's, the wrapper
	// removes it from the answer; the own messages exist, and a client can pull them by number.
	reply, err := s.through(attacker).Post(t.Context(), "/msg/pull_msg_by_seq", attacker.pull(attacker.Self))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(text(reply.Data)).To(ContainSubstring(attacker.secret), "one's own messages are told")
	NewWithT(t).Expect(text(reply.Data)).NotTo(ContainSubstring(victim.secret))
}

func groupWithPattern(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), newUserData(t, s.Stack)
	g := NewWithT(t)
	pattern := "$|^" + strings.ReplaceAll(victim.Pair(), "_", ".") + ":"
	create := object{
		"ownerUserID": attacker.Self, "memberUserIDs": []string{attacker.Peer},
		"groupInfo": object{"groupID": pattern, "groupName": "x", "groupType": workGroup},
	}
	reply, err := s.through(attacker).Post(t.Context(), "/group/create_group", create)
	g.Expect(err).NotTo(HaveOccurred())
	if reply.OK() {
		g.Expect(string(reply.Data)).NotTo(ContainSubstring("$|^"), "users do not choose such ids")
	}
	// An existing group: OpenIM lets its owner choose the ID.
	made, err := s.straight(attacker).Post(t.Context(), "/group/create_group", create)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(made.OK()).To(BeTrue(), "OpenIM makes such a group: %s", made)
	g.Eventually(func() (bool, error) {
		got := ask(
			t,
			s.SocketURL+"/",
			attacker.Self,
			attacker.token,
			android,
			idLastMessage,
			conversations(idLastMessage, attacker.Self, "sg_"+pattern),
		)
		return victim.leaksTo(got.reply), nil
	}, patience, 50*time.Millisecond).Should(BeTrue(), "OpenIM alone tells: the attack is a real one")
	got := s.ask(t, attacker, idLastMessage, conversations(idLastMessage, attacker.Self, "sg_"+pattern))
	g.Expect(victim.leaksTo(got.reply)).To(BeFalse(), "told: %q", got.reply.Data)
	for _, id := range []int32{1002, 1005, idReadSeq} {
		g.Expect(s.ask(t, attacker, id, conversations(id, attacker.Self, "sg_"+pattern)).refused()).To(BeTrue(), "frame %d takes the id", id)
	}
	s.honest(t, attacker)
}

func swappedKeyword(t *testing.T, s *testEnv) {
	attacker, victim := s.besides(t)
	page := object{"pageNumber": 1, "showNumber": 100}
	for _, group := range []string{"^", attacker.Group, victim.Group} {
		reply, err := s.through(attacker).Post(t.Context(), "/group/get_group_member_list",
			object{"groupID": group, "keyword": victim.Group, "filter": 0, "pagination": page})
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(text(reply.Data)).NotTo(ContainSubstring(victim.secret), "%s", group)
		NewWithT(t).Expect(text(reply.Data)).NotTo(ContainSubstring(victim.Self), "%s", group)
	}
	reply, err := s.through(attacker).Post(t.Context(), "/group/get_group_member_list", object{"groupID": attacker.Group, "pagination": page})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(text(reply.Data)).To(ContainSubstring(attacker.Peer), "the members of one's own group are told")
}

// expelled creates a group of the victim with the attacker as a member, removes the attacker, and has the victim write there afterwards.
// Its members are named at its creation: of the releases from patch.5 on, some refuse every later invitation (maxSeq is invalid).
func expelled(t *testing.T, s *testEnv, attacker *attacker, victim *userData) (group, after string) {
	t.Helper()
	g := NewWithT(t)
	group, after = "expelled"+victim.secret, "after"+victim.secret
	s.OpenIM.Must(t, "/group/create_group", object{
		"ownerUserID": victim.Self, "memberUserIDs": []string{victim.Peer, attacker.Self},
		"groupInfo": object{"groupID": group, "groupName": "x", "groupType": workGroup},
	})
	s.OpenIM.Must(t, "/msg/send_msg", message(victim.Self, object{"groupID": group, "sessionType": sessionGroup}, "before"+victim.secret))
	g.Eventually(func() (string, error) {
		reply, err := s.through(attacker).Post(t.Context(), "/conversation/get_all_conversations", object{"ownerUserID": attacker.Self})
		return text(reply.Data), err
	}, patience, 50*time.Millisecond).Should(ContainSubstring("sg_"+group), "the group stands in the attacker's list")
	s.OpenIM.Must(t, "/group/kick_group", object{"groupID": group, "kickedUserIDs": []string{attacker.Self}, "reason": "x"})
	s.OpenIM.Must(t, "/msg/send_msg", message(victim.Self, object{"groupID": group, "sessionType": sessionGroup}, after))
	g.Eventually(func() (string, error) {
		data, err := s.OpenIM.Call(t.Context(), "/msg/pull_msg_by_seq", object{"userID": victim.Self, "seqRanges": []object{
			{"conversationID": "sg_" + group, "begin": 1, "end": 20, "num": 20},
		}})
		return text(data), err
	}, patience, 50*time.Millisecond).Should(ContainSubstring(after))
	return group, after
}

func emptyListAfterKick(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), newUserData(t, s.Stack)
	_, after := expelled(t, s, attacker, victim)
	page := object{"pageNumber": 1, "showNumber": 50}
	for _, call := range []struct {
		path string
		body object
	}{
		{"/conversation/get_sorted_conversation_list", object{"userID": attacker.Self, "pagination": page}},
		{"/conversation/get_sorted_conversation_list", object{"userID": attacker.Self, "conversationIDs": []string{}, "pagination": page}},
		{"/conversation/get_sorted_conversation_list", object{"userID": attacker.Self, "conversationIDs": nil, "pagination": page}},
		{"/jssdk/get_conversations", object{"userID": attacker.Self, "ownerUserID": attacker.Self, "conversationIDs": []string{}}},
		{"/jssdk/get_active_conversations", object{"ownerUserID": attacker.Self, "count": 100}},
	} {
		reply, err := s.through(attacker).Post(t.Context(), call.path, call.body)
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(text(reply.Data)).NotTo(ContainSubstring(after), "%s %v", call.path, call.body)
	}
	reply, err := s.through(attacker).
		Post(t.Context(), "/conversation/get_sorted_conversation_list", object{"userID": attacker.Self, "pagination": page})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	if reply.OK() {
		NewWithT(t).Expect(text(reply.Data)).To(ContainSubstring(attacker.Pair()), "one's own conversations are told")
	}
	s.honest(t, attacker)
}

func readMarkAfterKick(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), newUserData(t, s.Stack)
	group, _ := expelled(t, s, attacker, victim)
	before := victim.settled(t)
	for _, c := range []struct {
		path string
		body object
		kept bool // may be called: OpenIM records it for the caller alone and notifies no one
	}{
		{"/msg/mark_msgs_as_read", object{"userID": attacker.Self, "conversationID": "sg_" + group, "seqs": []int{3}}, false},
		{"/msg/mark_conversation_as_read", object{"userID": attacker.Self, "conversationID": "sg_" + group, "hasReadSeq": 3, "seqs": []int{3}},
			true},
		{"/msg/set_conversation_has_read_seq", object{"userID": attacker.Self, "conversationID": "sg_" + group, "hasReadSeq": 3}, true},
	} {
		reply, err := s.through(attacker).Post(t.Context(), c.path, c.body)
		g := NewWithT(t)
		g.Expect(err).NotTo(HaveOccurred())
		if !c.kept {
			g.Expect(reply.OK()).To(BeFalse(), "%s", c.path)
		}
	}
	g := NewWithT(t)
	g.Expect(victim.settled(t)).To(Equal(before), "the members are told nothing")
	reply, err := s.through(attacker).Post(t.Context(), "/msg/mark_conversation_as_read",
		object{"userID": attacker.Self, "conversationID": attacker.Pair(), "hasReadSeq": 1, "seqs": []int{1}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.OK()).To(BeTrue(), "one's own chat is marked as read: %s", reply)
}

func hugeSpan(t *testing.T, s *testEnv) {
	attacker := s.attacker(t)
	before := peaks(t, s)
	for _, span := range [][2]int64{{1, 40_000_000}, {-40_000_000, 1}, {1, 1 << 62}, {40_000_000, 1}} {
		for _, num := range []int64{0, 1, 40_000_000} {
			_, err := s.through(attacker).Post(t.Context(), "/msg/pull_msg_by_seq", object{
				"userID": attacker.Self, "seqRanges": []object{{"conversationID": attacker.Pair(), "begin": span[0], "end": span[1], "num": num}},
			})
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
		}
	}
	grownLess(t, s, before)
	reply, err := s.through(attacker).Post(t.Context(), "/msg/pull_msg_by_seq", attacker.pull(attacker.Self))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(text(reply.Data)).To(ContainSubstring(attacker.secret), "an honest span is answered")
}

func hugeReadMark(t *testing.T, s *testEnv) {
	attacker := s.attacker(t)
	before := peaks(t, s)
	for _, path := range []string{"/msg/mark_conversation_as_read", "/msg/set_conversation_has_read_seq"} {
		for range 3 {
			_, err := s.through(attacker).Post(t.Context(), path,
				object{"userID": attacker.Self, "conversationID": attacker.Pair(), "hasReadSeq": 3_000_000, "seqs": []int{}})
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
		}
	}
	grownLess(t, s, before)
	s.honest(t, attacker)
}

func grownLess(t *testing.T, s *testEnv, before map[string]int64) {
	t.Helper()
	const bound = 60 << 20
	for name, peak := range peaks(t, s) {
		if grown := peak - before[name]; grown > bound {
			t.Errorf("%s gained %d MiB", name, grown>>20)
		}
	}
}

func inventedConversations(t *testing.T, s *testEnv) {
	attacker := s.attacker(t)
	var invented []string
	for i := range 300 {
		invented = append(invented, fmt.Sprintf("si_%s_zzz%d", attacker.Self, i))
	}
	g := NewWithT(t)
	for path, body := range map[string]object{
		"/msg/newest_seq": {"userID": attacker.Self},
		"/msg/get_conversations_has_read_and_max_seq":          {"userID": attacker.Self, "conversationIDs": invented},
		"/conversation/get_conversations_has_read_and_max_seq": {"userID": attacker.Self, "conversationIDs": invented},
		"/msg/set_conversation_has_read_seq":                   {"userID": attacker.Self, "conversationID": invented[0], "hasReadSeq": 1},
		"/msg/clear_conversation_msg":                          {"userID": attacker.Self, "conversationIDs": invented},
		"/conversation/get_sorted_conversation_list": {"userID": attacker.Self, "conversationIDs": invented,
			"pagination": object{"pageNumber": 1, "showNumber": 10}},
	} {
		_, err := s.through(attacker).Post(t.Context(), path, body)
		g.Expect(err).NotTo(HaveOccurred())
	}
	for _, id := range []int32{1002, 1005, idReadSeq, idLastMessage} {
		s.ask(t, attacker, id, conversations(id, attacker.Self, invented...))
	}
	keys, err := s.RedisCLI(t.Context(), "KEYS", "*si_"+attacker.Self+"_zzz*")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Fields(keys)).To(BeEmpty(), "OpenIM remembers what nobody has")
	s.honest(t, attacker)
}

func privateChatOfBlocked(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), newUserData(t, s.Stack)
	s.OpenIM.Must(t, "/friend/add_black", object{"ownerUserID": victim.Self, "blackUserID": attacker.Self})
	before := victim.settled(t)
	pair := routestest.Identities{Self: attacker.Self, Peer: victim.Self}.Pair()
	_, err := s.through(attacker).
		Post(t.Context(), "/conversation/set_conversations", object{"userIDs": []string{attacker.Self}, "conversation": object{
			"conversationID": pair, "conversationType": sessionPair, "userID": victim.Self, "isPrivateChat": true, "burnDuration": 5,
		}})
	g := NewWithT(t)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(victim.settled(t)).To(Equal(before), "who has blocked the attacker hears nothing")
	own, err := s.through(attacker).
		Post(t.Context(), "/conversation/set_conversations", object{"userIDs": []string{attacker.Self}, "conversation": object{
			"conversationID": attacker.Pair(), "conversationType": sessionPair, "userID": attacker.Peer, "isPinned": true,
		}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(own.OK()).To(BeTrue(), "one's own settings can be changed: %s", own)
}

func revivedGroup(t *testing.T, s *testEnv) {
	attacker := s.attacker(t)
	g := NewWithT(t)
	dismissed, err := s.through(attacker).Post(t.Context(), "/group/dismiss_group", object{"groupID": attacker.Group})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(dismissed.OK()).To(BeTrue(), "%s", dismissed)
	for _, path := range []string{"/group/mute_group", "/group/cancel_mute_group"} {
		reply, err := s.through(attacker).Post(t.Context(), path, object{"groupID": attacker.Group})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(reply.OK()).To(BeFalse(), "%s", path)
	}
	const stateDismissed = 2
	data := s.OpenIM.Must(t, "/group/get_groups_info", object{"groupIDs": []string{attacker.Group}})
	groups, _ := data["groupInfos"].([]any)
	g.Expect(groups).To(HaveLen(1))
	g.Expect(groups[0]).To(HaveKeyWithValue("status", BeEquivalentTo(stateDismissed)))
	s.honest(t, attacker)
}

func presencePile(t *testing.T, s *testEnv) {
	attacker := s.attacker(t)
	g := NewWithT(t)
	conn := dial(t, s, attacker)
	row := websocket.Find(idPresence)
	refusals := 0
	for i := range 60 {
		var data []byte
		for j := range 1000 {
			data = protowire.AppendString(protowire.AppendTag(data, row.Fields[0].Number, protowire.BytesType), fmt.Sprintf("nobody%dx%d", i, j))
		}
		if exchange(t, conn, attacker.Self, idPresence, data).ErrCode != 0 {
			refusals++
		}
	}
	g.Expect(refusals).To(BeNumerically(">=", 50), "60,000 subscriptions on one socket")
	var none []byte
	reply := exchange(t, conn, attacker.Self, idLastMessage, conversations(idLastMessage, attacker.Self, attacker.Pair()))
	g.Expect(reply.ErrCode).To(BeZero(), "the socket goes on")
	none = protowire.AppendString(protowire.AppendTag(none, row.Fields[0].Number, protowire.BytesType), attacker.Peer)
	g.Expect(exchange(t, dial(t, s, attacker), attacker.Self, idPresence, none).ErrCode).To(BeZero(), "a new socket starts anew")
}

func hugeMessage(t *testing.T, s *testEnv) {
	attacker := s.attacker(t)
	send := websocket.Find(idSend)
	for _, size := range []int{120 << 10, 512 << 10} {
		data := send.Example(websocket.Names{User: attacker.Self, Group: attacker.Group})
		for _, f := range send.Fields {
			if f.Shape == websocket.Bytes {
				data = with(data, f.Number, protowire.AppendString(protowire.AppendTag(nil, f.Number, protowire.BytesType),
					`{"content":"`+strings.Repeat("x", size)+`"}`))
			}
		}
		// In OpenIM's encoding, but without an honest client's bound; compressed, the message can be arbitrarily small.
		raw, err := json.Marshal(
			object{"reqIdentifier": idSend, "sendID": attacker.Self, "operationID": "crossuser", "msgIncr": "1", "data": data},
		)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, compressed := range []bool{false, true} {
			taken, err := takes(t, s, attacker, raw, compressed)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			NewWithT(t).Expect(taken).To(BeFalse(), "%d bytes, compressed: %v", size, compressed)
		}
	}
	sent := s.ask(t, attacker, idSend, send.Example(websocket.Names{User: attacker.Self, Group: attacker.Group}))
	NewWithT(t).Expect(sent.refused()).To(BeFalse(), "an honest message: %s %s", sent.code(), sent.reply.ErrMsg)
	s.honest(t, attacker)
}

// takes reports whether a raw frame is answered with success.
func takes(t *testing.T, s *testEnv, a *attacker, raw []byte, compressed bool) (bool, error) {
	t.Helper()
	extra := url.Values{}
	if compressed {
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(raw); err != nil {
			return false, err
		}
		if err := z.Close(); err != nil {
			return false, err
		}
		raw = packed.Bytes()
		extra.Set("compression", "gzip")
	}
	conn := dialWith(t, s, a, extra)
	defer func() { _ = conn.CloseNow() }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := conn.Write(ctx, coder.MessageBinary, raw); err != nil {
		return false, nil // the socket was closed under it
	}
	for {
		_, content, err := conn.Read(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return false, err
		}
		if err != nil {
			return false, nil // closed: refused
		}
		if compressed {
			z, err := gzip.NewReader(bytes.NewReader(content))
			if err != nil {
				return false, err
			}
			if content, err = io.ReadAll(io.LimitReader(z, frame.MaxReply)); err != nil {
				return false, err
			}
		}
		reply, err := inJSON.DecodePushed(content)
		if err != nil {
			return false, err
		}
		if reply.ID == idSend {
			return reply.ErrCode == 0, nil
		}
	}
}

// dial opens a socket that stays open until the test ends.
func dial(t *testing.T, s *testEnv, a *attacker) *coder.Conn {
	t.Helper()
	return dialWith(t, s, a, url.Values{})
}

// dialWith is dial with additional query parameters.
func dialWith(t *testing.T, s *testEnv, a *attacker, query url.Values) *coder.Conn {
	t.Helper()
	for name, value := range map[string]string{
		"sendID": a.Self, "token": a.session.Token(), "platformID": fmt.Sprint(iOS), "operationID": "crossuser", "sdkType": "js",
	} {
		query.Set(name, value)
	}
	//nolint:bodyclose // refusal closes it; that of an upgrade is the connection
	conn, response, err := coder.Dial(
		t.Context(),
		s.Frontend.SocketURL()+"?"+query.Encode(),
		&coder.DialOptions{CompressionMode: coder.CompressionDisabled},
	)
	if err != nil {
		t.Fatalf("open a socket: %v: %s", err, refusal(response))
	}
	conn.SetReadLimit(frame.MaxReply)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

// exchange sends one frame and waits for its reply.
func exchange(t *testing.T, conn *coder.Conn, user string, id int32, data []byte) frame.Reply {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := inJSON.EncodeRequest(frame.Request{ID: id, SendID: user, OperationID: "crossuser", MsgIncr: "1", Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(ctx, coder.MessageBinary, out); err != nil {
		t.Fatal(err)
	}
	reply, err := answer(ctx, t, conn, id)
	if err != nil {
		t.Fatalf("no answer to %d: %v", id, err)
	}
	return reply
}
