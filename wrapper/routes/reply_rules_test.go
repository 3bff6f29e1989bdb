package routes

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// TestAMessageIsOfItsConversation: OpenIM finds messages by patterns and prefixes, so that each found message must be compared with its
// conversation.
func TestAMessageIsOfItsConversation(t *testing.T) {
	for _, c := range []struct {
		name, conversation, sender, receiver, group, content string
		kept                                                 bool
	}{
		{"of a pair, to the caller", "si_alice_bob", "bob", "alice", "", "eA==", true},
		{"of a pair, by the caller", "si_alice_bob", "alice", "bob", "", "eA==", true},
		{"to oneself", "si_alice_alice", "alice", "alice", "", "eA==", true},
		{"of a pair whose id is longer", "si_alice_bob", "alice", "bobs", "", "eA==", false},
		{"of a pair of others", "si_alice_bob", "bob", "carol", "", "eA==", false},
		{"of a group in a pair's", "si_alice_bob", "bob", "", "4711", "eA==", false},
		{"of a pair, and the group's name is the sender's affair", "si_alice_bob", "bob", "alice", "815", "eA==", true},
		{"two readings, the caller's", "si_alice_b_c", "alice", "b_c", "", "eA==", true},
		{"two readings, others'", "si_alice_b_c", "alice_b", "c", "", "eA==", false},
		{"of a group", "sg_4711", "carol", "", "4711", "eA==", true},
		{"a group's notice names it as the receiver", "n_4711", "carol", "4711", "4711", "eA==", true},
		{"of a group whose id is longer", "sg_4711", "carol", "", "47112", "eA==", false},
		{"a pair's that a pattern found", "sg_4711", "bob", "carol", "", "eA==", false},
		{"a notice of a pair", "n_alice_bob", "bob", "alice", "", "eA==", true},
		{"a notice to oneself", "n_alice_alice", "alice", "alice", "", "eA==", true},
		{"an account's notice", "sn_alice_system", "system", "alice", "", "eA==", true},
		{"in an old group", "g_4711", "carol", "", "4711", "eA==", true},
		{"in the place of a deleted one", "si_alice_bob", "", "", "", "", true},
		{"of nobody, with content", "si_alice_bob", "", "", "", "eA==", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			asked := askedBy(Find("/msg/pull_msg_by_seq"), false)
			asked.Member["si_alice_b_c"], asked.Member["g_4711"] = true, true
			message := fmt.Sprintf(`{"sendID":%q,"recvID":%q,"groupID":%q,"content":%q,"seq":3}`, c.sender, c.receiver, c.group, c.content)
			in := fmt.Sprintf(`{"msgs":{%q:{"Msgs":[%s],"isEnd":true}}}`, c.conversation, message)
			want := in
			if !c.kept {
				want = strings.Replace(in, message, "", 1)
			}
			got, err := Find("/msg/pull_msg_by_seq").ProjectReply([]byte(in), asked)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got.Data)).To(Equal(want))
		})
	}
}

// TestRemovedEntriesLeaveNoTrace removes the first, the last, all, and inner entries.
func TestRemovedEntriesLeaveNoTrace(t *testing.T) {
	r := Find("/msg/newest_seq")
	for _, c := range []struct{ in, want string }{
		{`{"maxSeqs":{"sg_815":1,"sg_4711":2,"n_4711":3}}`, `{"maxSeqs":{"sg_4711":2,"n_4711":3}}`},
		{`{"maxSeqs":{"sg_4711":2,"sg_815":1,"n_4711":3}}`, `{"maxSeqs":{"sg_4711":2,"n_4711":3}}`},
		{`{"maxSeqs":{"sg_4711":2,"n_4711":3,"sg_815":1},"minSeqs":null}`, `{"maxSeqs":{"sg_4711":2,"n_4711":3},"minSeqs":null}`},
		{`{"maxSeqs":{"sg_815":1,"si_bob_carol":4,"x":5,"":6},"minSeqs":{}}`, `{"maxSeqs":{},"minSeqs":{}}`},
		{`{"maxSeqs":{"sg_815":null}}`, `{"maxSeqs":{}}`},
	} {
		got, err := r.ProjectReply([]byte(c.in), askedBy(r, false))
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(string(got.Data)).To(Equal(c.want))
	}
}

// TestWhatMustBeLookedUp: groups that the request does not name, and ids with two readings are looked up, each once.
func TestWhatMustBeLookedUp(t *testing.T) {
	g := NewWithT(t)
	r := Find("/msg/pull_msg_by_seq")
	asked := Asked{Caller: Caller{UserID: "alice"}, Body: map[string]any{"seqRanges": []any{map[string]any{"conversationID": "sg_1"}}}}
	in := `{"msgs":{"sg_1":null,"sg_2":null,"si_alice_bob":null,"si_alice_b_c":null,"si_bob_carol":null},` +
		`"notificationMsgs":{"sg_2":null,"n_2":null}}`
	got, err := r.ProjectReply([]byte(in), asked)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.LookUp).To(Equal([]string{"sg_2", "si_alice_b_c", "n_2"}))

	asked.Member = map[string]bool{"sg_2": false, "n_2": true} // and nothing of the other
	got, err = r.ProjectReply([]byte(in), asked)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(got.Data)).To(Equal(`{"msgs":{"sg_1":null,"si_alice_bob":null},"notificationMsgs":{"n_2":null}}`))
}

// TestCheckedConversationsAreNotCheckedAgain: a list that Fill has set has the caller's conversations, and the ids of another list were
// checked. Others in the reply are looked up.
func TestCheckedConversationsAreNotCheckedAgain(t *testing.T) {
	g := NewWithT(t)
	for _, r := range forUsers() {
		filled := slices.IndexFunc(r.Identity, func(i Identity) bool { return i.Rule == Filled })
		if filled < 0 {
			continue
		}
		need := Need{Kind: NeedAll, Field: r.Identity[filled].Field}
		body := map[string]any{}
		g.Expect(need.Fill(body, []string{"sg_1", "si_alice_b_c"})).To(BeTrue())
		asked := Asked{Caller: Caller{UserID: "alice"}, Body: body}
		in := `{"seqs":{"sg_1":null,"si_alice_b_c":null,"sg_2":null}}`
		if r.Upstream() == "/conversation/get_sorted_conversation_list" {
			in = `{"conversationElems":[{"conversationID":"sg_1"},{"conversationID":"si_alice_b_c"},{"conversationID":"sg_2"}]}`
		}
		got, err := r.ProjectReply([]byte(in), asked)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(got.LookUp).To(Equal([]string{"sg_2"}), r.Path)
	}
}

// FuzzProjectReply checks that the projection of any JSON is JSON, and that a second projection changes nothing.
func FuzzProjectReply(f *testing.F) {
	routes := forUsers()
	for i, r := range routes {
		f.Add(uint8(i), []byte(sample{}.json(replyShapes[r.Path].root, "")))
	}
	f.Add(uint8(0), []byte(`{"a":[{"b":"\\\""},1e5,null,true],"usersInfo":[null]}`))
	f.Fuzz(func(t *testing.T, route uint8, data []byte) {
		r := routes[int(route)%len(routes)]
		got, err := r.ProjectReply(data, askedBy(r, false))
		if err != nil || len(data) == 0 || !json.Valid(data) {
			return
		}
		if !json.Valid(got.Data) {
			t.Fatalf("%s: %s became %s", r.Path, data, got.Data)
		}
		again, err := r.ProjectReply(got.Data, askedBy(r, false))
		if err != nil || string(again.Data) != string(got.Data) || again.Fields+again.Entries > 0 {
			t.Fatalf("%s: %s, then %s: %v", r.Path, got.Data, again.Data, err)
		}
	})
}

// FuzzProjectProtobuf is FuzzProjectReply for protobuf.
func FuzzProjectProtobuf(f *testing.F) {
	r := Find("/jssdk/get_conversations")
	f.Add([]byte(sample{}.protobuf(replyShapes[r.Path].root)))
	f.Add([]byte(`"CAE="`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := r.ProjectReply(data, askedBy(r, true))
		if err != nil || len(data) == 0 {
			return
		}
		again, err := r.ProjectReply(got.Data, askedBy(r, true))
		if err != nil || string(again.Data) != string(got.Data) || again.Fields+again.Entries > 0 {
			t.Fatalf("%s became %s, then %s: %v", data, got.Data, again.Data, err)
		}
	})
}

// BenchmarkProjectReply projects a full page of messages, as a client pulls it after a day without connection.
func BenchmarkProjectReply(b *testing.B) {
	r := Find("/msg/pull_msg_by_seq")
	shape := replyShapes[r.Path]
	one, _, _ := shape.find("msgs{}.Msgs[]")
	message := sample{change: map[string]string{"content": strings.Repeat("aGVsbG8h", 128)}}.json(one, "")
	in := []byte(`{"msgs":{"sg_4711":{"Msgs":[` + strings.TrimSuffix(strings.Repeat(message+",", 200), ",") + `],"isEnd":true}}}`)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	asked := askedBy(r, false)
	for b.Loop() {
		got, err := r.ProjectReply(in, asked)
		if err != nil || len(got.Data) != len(in) {
			b.Fatal(err, len(got.Data), len(in))
		}
	}
}
