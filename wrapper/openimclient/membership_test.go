package openimclient_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
)

// populate adds users and groups to the fake.
func (b *fixture) populate(groups map[string][]string, users ...string) {
	b.openim.Set(func(f *openimtest.Fake) {
		for _, u := range users {
			f.State.Users[u] = openimtest.User{Nickname: "nick of " + u, FaceURL: "face of " + u}
		}
		for g, members := range groups {
			f.State.Groups[g] = map[string]openimtest.User{}
			for i, m := range members {
				f.State.Groups[g][m] = openimtest.User{Nickname: m + " in " + g, RoleLevel: []int32{100, 60, 20}[min(i, 2)]}
			}
		}
	})
}

// TestMembersOfConversations checks all rules for one user.
func TestMembersOfConversations(t *testing.T) {
	b := newFixture(t)
	b.populate(map[string][]string{"chess": {"bob", "alice"}, "go": {"bob"}, "bob_carol": {"alice"}, "x_y": {"alice"}},
		"alice", "bob", "carol", "zoe", "Zoe", "system", "Admin")
	for _, c := range []struct {
		id     string
		member bool
	}{
		{"si_alice_bob", true},
		{"si_bob_alice", false}, // not as OpenIM sorts them
		{"si_Zoe_alice", true},  // by bytes
		{"si_alice_Zoe", false},
		{"si_alice_alice", true},
		{"si_bob_carol", false},
		{"si_alice_", false},
		{"si__alice", false},
		{"si_alice", false},
		{"si_", false},
		{"sn_alice_system", true},
		{"sn_Admin_alice", true},
		{"sn_system_alice", true}, // as SDKs write it
		{"sn_system_bob", false},
		{"sn_alice_nobody", false},
		{"si_alice_nobody", false}, // OpenIM would keep keys for a year
		{"n_alice_nobody", false},
		{"si_alice_.*", false},
		{"sg_ches.", false},
		{"sn_bob_carol", false},
		{"n_alice_bob", true},
		{"n_alice_alice", true},
		{"n_bob_carol", false}, // although alice is in a group of that name
		{"n_x_y", true},        // a group, as long as these two users do not exist
		{"sg_chess", true},
		{"sg_go", false},
		{"sg_", false},
		{"sg_bob_carol", true},
		{"n_chess", true},
		{"n_go", false},
		{"n_", false},
		{"g_chess", false}, // groups of OpenIM 2
		{"SI_alice_bob", false},
		{"alice", false},
		{"", false},
		{"si_alice_bob\n", false},
		{"sg_chess\x00", false},
	} {
		t.Run(c.id, func(t *testing.T) {
			g := NewWithT(t)
			member, err := b.MembersOf(t.Context(), "alice", []string{c.id})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(member).To(Equal([]bool{c.member}))
		})
	}
}

// TestIDsWithUnderscores: one id can mean two pairs, and OpenIM stores the messages of both under it.
func TestIDsWithUnderscores(t *testing.T) {
	for _, c := range []struct {
		name, user, id string
		users          []string
		member         bool
	}{
		{"the other reading has no users", "a", "si_a_b_c", []string{"a", "b_c"}, true},
		{"no reading has two users", "a", "si_a_b_c", []string{"a"}, false},
		{"two readings with the user, one of them with an existing peer", "b", "sn_b_x_b", []string{"x_b"}, true},
		{"another pair exists", "a", "si_a_b_c", []string{"a", "b_c", "a_b", "c"}, false},
		{"half of another pair exists", "a", "si_a_b_c", []string{"a", "b_c", "a_b"}, true},
		{"seen by the other pair", "c", "si_a_b_c", []string{"a", "b_c", "a_b", "c"}, false},
		{"own id with underscores", "user_1", "si_user_1_user_2", []string{"user_1", "user_2"}, true},
		{"own id as the second one", "user_2", "si_user_1_user_2", []string{"user_1", "user_2"}, true},
		{"a part of an id is not a participant", "user", "si_user_1_user_2", []string{"user", "user_1", "user_2"}, false},
		{"not sorted, so not OpenIM's", "1_user_2", "si_user_1_user_2", []string{"1_user_2", "user"}, false},
		{"too many readings", "a", "si_a" + strings.Repeat("_b", 75), []string{"a"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			b := newFixture(t)
			b.populate(nil, c.users...)
			member, err := b.MembersOf(t.Context(), c.user, []string{c.id})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(member).To(Equal([]bool{c.member}))
		})
	}
}

func TestNobodyHasAConversationWithAReservedUser(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.populate(nil, "alice", "bob", ids.CheckSender, ids.CheckReceiver)
	for _, reserved := range []string{ids.CheckSender, ids.CheckReceiver} {
		member, err := b.MembersOf(t.Context(), "alice", []string{"si_alice_" + reserved, "n_alice_" + reserved, "sn_" + reserved + "_alice",
			"si_alice_bob"})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(member).To(Equal([]bool{false, false, false, true}), "%s is in OpenIM, and not for alice", reserved)
	}
}

// TestNobodyIsLetIntoAConversationOfTwoOthers checks with random ids that a third user is never a member of a conversation of two
// existing users.
func TestNobodyIsLetIntoAConversationOfTwoOthers(t *testing.T) {
	b := newFixture(t)
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[ab_]{1,5}`)
		one, two, me := id.Draw(t, "one"), id.Draw(t, "two"), id.Draw(t, "me")
		if me == one || me == two {
			return
		}
		if one > two {
			one, two = two, one
		}
		b.openim.Set(func(f *openimtest.Fake) {
			clear(f.State.Users)
			for _, u := range []string{one, two, me} {
				f.State.Users[u] = openimtest.User{Nickname: u}
			}
		})
		for _, kind := range []string{"si_", "sn_", "n_"} {
			member, err := b.MembersOf(t.Context(), me, []string{kind + one + "_" + two})
			if err != nil || member[0] {
				t.Fatalf("%q in %q: %v %v", me, kind+one+"_"+two, member, err)
			}
		}
	})
}

func TestManyConversationsNeedOneRequest(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.populate(map[string][]string{"g1": {"alice"}, "g2": {"alice"}}, "alice", "bob")
	var ids []string
	for i := range 500 {
		ids = append(ids, []string{"si_alice_bob", "sg_g1", "sg_g2", "n_g1"}[i%4])
	}
	member, err := b.MembersOf(t.Context(), "alice", ids)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(member).To(HaveEach(true))
	g.Expect(b.openim.Seen("/group/get_full_join_group_ids")).To(HaveLen(1))
}

// TestHowLongAMembershipIsCached: a removed user passes for three seconds at most, and an invited user waits for a quarter of a second at
// most.
func TestHowLongAMembershipIsCached(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	is := func() bool {
		member, err := b.MembersOf(t.Context(), "alice", []string{"sg_chess"})
		g.Expect(err).NotTo(HaveOccurred())
		return member[0]
	}
	b.populate(map[string][]string{"chess": {"alice"}})
	g.Expect(is()).To(BeTrue())
	b.populate(map[string][]string{"chess": {"bob"}})
	b.pass(openimclient.MembershipTTL - time.Millisecond)
	g.Expect(is()).To(BeTrue(), "still cached")
	b.pass(time.Millisecond)
	g.Expect(is()).To(BeFalse())
	g.Expect(is()).To(BeFalse())
	asked := len(b.openim.Seen("/group/get_full_join_group_ids"))
	g.Expect(asked).To(Equal(2), "a missing membership is cached for a moment")
	b.populate(map[string][]string{"chess": {"bob", "alice"}})
	b.pass(251 * time.Millisecond)
	g.Expect(is()).To(BeTrue())
}

func TestWithoutAReplyNobodyIsAMember(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	for _, reply := range []string{`{"errCode":500}`, `{"errCode":14}`, `{"errCode":1002}`, `{"errCode":0,"data":[]}`} {
		b.openim.Set(func(f *openimtest.Fake) { f.Replies["/group/get_full_join_group_ids"] = reply })
		member, err := b.MembersOf(t.Context(), "alice", []string{"sg_chess"})
		g.Expect(err).To(HaveOccurred(), reply)
		g.Expect(member).To(BeNil())
	}
	for _, reply := range []string{`{"errCode":500}`, `{"errCode":0}`, `{"errCode":0,"data":{"results":[]}}`} {
		b.openim.Set(func(f *openimtest.Fake) { f.Replies["/user/account_check"] = reply })
		_, err := b.MembersOf(t.Context(), "a", []string{"si_a_b_c"})
		g.Expect(err).To(HaveOccurred(), reply)
	}
	b.openim.Set(func(f *openimtest.Fake) { delete(f.Replies, "/user/account_check") })
	b.populate(nil, "bob")
	member, err := b.MembersOf(t.Context(), "alice", []string{"si_alice_bob", "si_alice_alice"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(member).To(HaveEach(true))
	b.openim.Server.Close()
	member, err = b.MembersOf(t.Context(), "alice", []string{"si_alice_bob", "si_alice_alice"})
	g.Expect(err).NotTo(HaveOccurred(), "cached users need no request")
	g.Expect(member).To(HaveEach(true))
	_, err = b.MembersOf(t.Context(), "alice", []string{"si_alice_carol"})
	g.Expect(err).To(MatchError(openimclient.ErrUnavailable))
	_, err = b.MembersOf(t.Context(), "alice", []string{"sg_chess"})
	g.Expect(err).To(MatchError(openimclient.ErrUnavailable))
}

func TestConcurrentCallersShareOneRequest(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.populate(map[string][]string{"chess": {"alice"}})
	_, err := b.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
	var work sync.WaitGroup
	for range 50 {
		work.Go(func() {
			if member, err := b.MembersOf(t.Context(), "alice", []string{"sg_chess"}); err != nil || !member[0] {
				t.Errorf("%v %v", member, err)
			}
		})
	}
	work.Wait()
	g.Expect(b.openim.Seen("/group/get_full_join_group_ids")).To(HaveLen(1))
}

func TestProfiles(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.populate(map[string][]string{"chess": {"bob", "carol", "alice"}}, "alice")
	p, err := b.ProfileOf(t.Context(), "alice", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p).To(Equal(openimclient.Profile{Nickname: "nick of alice", FaceURL: "face of alice", Known: true}))
	p, err = b.ProfileOf(t.Context(), "alice", "chess")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p).To(Equal(openimclient.Profile{Nickname: "alice in chess", Role: openimclient.Member, Known: true}))
	p, err = b.ProfileOf(t.Context(), "nobody", "chess")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(p).To(Equal(openimclient.Profile{}))
	_, err = b.ProfileOf(t.Context(), "alice", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.openim.Seen("/user/get_users_info")).To(HaveLen(1), "cached")
	b.pass(3 * time.Second)
	_, err = b.ProfileOf(t.Context(), "alice", "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.openim.Seen("/user/get_users_info")).To(HaveLen(2))
}

func TestRolesInGroups(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	b.populate(map[string][]string{"own": {"alice"}, "led": {"bob", "alice"}, "joined": {"bob", "carol", "alice"}, "others": {"bob"}})
	roles, err := b.RolesOf(t.Context(), "alice", []string{"others", "own", "led", "joined", "none", ""})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(roles).To(Equal([]openimclient.GroupRole{openimclient.NoMember, openimclient.Leader, openimclient.Leader, openimclient.Member,
		openimclient.NoMember, openimclient.NoMember}))
	_, err = b.RolesOf(t.Context(), "alice", make([]string, openimclient.MaxGroups+1))
	g.Expect(err).To(MatchError(ContainSubstring("request at most")))
	b.openim.Set(func(f *openimtest.Fake) { f.Replies["/group/get_group_members_info"] = `{"errCode":500}` })
	b.pass(time.Minute)
	_, err = b.RolesOf(t.Context(), "alice", []string{"own"})
	g.Expect(err).To(MatchError(openimclient.ErrUnavailable))
}
