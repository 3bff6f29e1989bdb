package openimclient_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
)

// answers sets the fake's reply for a path.
func (b *fixture) answers(path, reply string) {
	b.openim.Set(func(f *openimtest.Fake) { f.Replies[path] = reply })
}

func TestLiveGroups(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.answers("/group/get_groups_info", `{"errCode":0,"data":{"groupInfos":[{"groupID":"ok","status":0},`+
		`{"groupID":"muted","status":3},{"groupID":"gone","status":2},{"groupID":"odd"}]}}`)
	live, err := b.LiveGroups(t.Context(), []string{"gone", "ok", "muted", "none", "odd"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(live).To(Equal([]bool{false, true, true, false, false}))
	b.answers("/group/get_groups_info", `{"errCode":1004}`)
	g.Expect(b.LiveGroups(t.Context(), []string{"ok"})).To(Equal([]bool{false}))
	for _, reply := range []string{`{"errCode":500}`, `{"errCode":1001}`, `{"errCode":0,"data":[]}`} {
		b.answers("/group/get_groups_info", reply)
		_, err := b.LiveGroups(t.Context(), []string{"ok"})
		g.Expect(err).To(HaveOccurred(), reply)
	}
}

func TestTheNewestSeq(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	const path = "/msg/get_conversations_has_read_and_max_seq"
	for reply, want := range map[string]int64{
		`{"errCode":0,"data":{"seqs":{"sg_1":{"maxSeq":9007199254740993,"hasReadSeq":1}}}}`: 9007199254740993,
		`{"errCode":0,"data":{"seqs":{"sg_1":{"maxSeq":"7"}}}}`:                             7,
		`{"errCode":0,"data":{"seqs":{"sg_2":{"maxSeq":7}}}}`:                               0,
		`{"errCode":0,"data":{"seqs":null}}`:                                                0,
		`{"errCode":1004}`:                                                                  0,
	} {
		b.answers(path, reply)
		seq, err := b.NewestSeq(t.Context(), "alice", "sg_1")
		g.Expect(err).NotTo(HaveOccurred(), reply)
		g.Expect(seq).To(Equal(want), reply)
	}
	for _, reply := range []string{`{"errCode":500}`, `{"errCode":0,"data":{"seqs":{"sg_1":{"maxSeq":1.5}}}}`,
		`{"errCode":0,"data":{"seqs":7}}`} {
		b.answers(path, reply)
		_, err := b.NewestSeq(t.Context(), "alice", "sg_1")
		g.Expect(err).To(HaveOccurred(), reply)
	}
	seen := b.openim.Seen(path)
	g.Expect(seen[0].Body).To(MatchJSON(`{"userID":"alice","conversationIDs":["sg_1"]}`))
}

func TestAllConversationsOfAUser(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.answers("/conversation/get_full_conversation_ids",
		`{"errCode":0,"data":{"equal":false,"conversationIDs":["si_alice_bob","sg_left"]}}`)
	g.Expect(b.ConversationsOf(t.Context(), "alice")).To(Equal([]string{"si_alice_bob", "sg_left"}))
	b.answers("/conversation/get_full_conversation_ids", `{"errCode":500}`)
	_, err := b.ConversationsOf(t.Context(), "alice")
	g.Expect(err).To(MatchError(openimclient.ErrUnavailable))
}

// TestWhoseSettingsAUserAccepts: OpenIM writes into another user's list of conversations without a check.
func TestWhoseSettingsAUserAccepts(t *testing.T) {
	const (
		blocked    = `{"errCode":0,"data":{"blacks":[{"ownerUserID":"bob","blackUserInfo":{"userID":"alice"}}],"total":1}}`
		notBlocked = `{"errCode":0,"data":{"blacks":[],"total":0}}`
		kept       = `{"errCode":0,"data":{"conversations":[{"ownerUserID":"bob","conversationID":"si_alice_bob"}]}}`
		notKept    = `{"errCode":0,"data":{"conversations":[]}}`
		another    = `{"errCode":0,"data":{"conversations":[{"ownerUserID":"alice","conversationID":"si_alice_bob"}]}}`
		friends    = `{"errCode":0,"data":{"inUser1Friends":true,"inUser2Friends":true}}`
		oneSided   = `{"errCode":0,"data":{"inUser1Friends":false,"inUser2Friends":true}}`
		failure    = `{"errCode":500}`
	)
	for _, c := range []struct {
		name, blacks, list, friend string
		takes, fails               bool
	}{
		{"a partner of a conversation", notBlocked, kept, oneSided, true, false},
		{"a friend", notBlocked, notKept, friends, true, false},
		{"an unknown user", notBlocked, notKept, oneSided, false, false},
		{"an unknown user, and a list of another owner", notBlocked, another, oneSided, false, false},
		{"a blocked partner of a conversation", blocked, kept, friends, false, false},
		{"an error about blocked users", failure, kept, friends, false, true},
		{"an empty reply about blocked users", `{"errCode":0}`, kept, friends, false, true},
		{"no record of blocked users", `{"errCode":1004}`, kept, friends, false, true},
		{"an error about the list", notBlocked, failure, friends, false, true},
		{"an error about friends", notBlocked, notKept, failure, false, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			b := newFixture(t)
			b.answers("/friend/get_specified_blacks", c.blacks)
			b.answers("/conversation/get_conversations", c.list)
			b.answers("/friend/is_friend", c.friend)
			takes, err := b.AcceptsSettings(t.Context(), "bob", "alice", "si_alice_bob")
			g.Expect(takes).To(Equal(c.takes))
			g.Expect(err != nil).To(Equal(c.fails))
			g.Expect(b.openim.Seen("/friend/get_specified_blacks")[0].Body).To(MatchJSON(`{"ownerUserID":"bob","userIDList":["alice"]}`))
		})
	}
}
