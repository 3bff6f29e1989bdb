package wire

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestPeersOfAConversation(t *testing.T) {
	for _, c := range []struct {
		id, user string
		peers    []string
		certain  bool
	}{
		{"si_alice_bob", "alice", []string{"bob"}, true},
		{"si_alice_bob", "bob", []string{"alice"}, true},
		{"si_alice_bob", "carol", nil, true},
		{"si_alice_alice", "alice", []string{"alice"}, true},
		{"si_bob_alice", "alice", nil, true}, // OpenIM sorts them
		{"si_alice_bob", "ali", nil, true},
		{"si_a_b_c", "a", []string{"b_c"}, false},
		{"si_a_b_c", "a_b", []string{"c"}, false},
		{"si_a_b_c", "b", nil, false},
		{"si__alice", "alice", nil, true},
		{"si_alice_", "alice", nil, true},
		{"sn_system_alice", "alice", []string{"system"}, true}, // not sorted
		{"n_alice_bob", "bob", []string{"alice"}, true},
		{"n_4711", "alice", nil, true},
		{"sg_alice", "alice", nil, true},
		{"si_alice_bob", "", nil, true},
	} {
		t.Run(c.id+" "+c.user, func(t *testing.T) {
			g := NewWithT(t)
			conversation, ok := ParseConversation(c.id)
			g.Expect(ok).To(BeTrue())
			peers, certain := conversation.Peers(c.user)
			g.Expect(peers).To(Equal(c.peers))
			g.Expect(certain).To(Equal(c.certain))
		})
	}
}

func TestGroupOfAConversation(t *testing.T) {
	for id, group := range map[string]string{"sg_1": "1", "g_1": "1", "n_1": "1", "sg_a_b": "a_b", "n_a_b": "", "si_a_b": "",
		"sn_a_b": ""} {
		g := NewWithT(t)
		c, ok := ParseConversation(id)
		g.Expect(ok).To(BeTrue(), id)
		got, is := c.Group()
		g.Expect(is).To(Equal(group != ""), id)
		if is {
			g.Expect(got).To(Equal(group))
		}
	}
}

func TestMalformedConversationIDs(t *testing.T) {
	for _, id := range []string{"", "_", "si", "si_", "si_alice", "sn_x", "SI_a_b", "x_a_b", "sg_", "alice", "s_i_a_b"} {
		_, ok := ParseConversation(id)
		NewWithT(t).Expect(ok).To(BeFalse(), id)
	}
}

// FuzzConversation checks that the id of a conversation of two contains the user and each peer.
func FuzzConversation(f *testing.F) {
	f.Add("si_alice_bob", "alice")
	f.Add("n_a_b_c", "a_b")
	f.Add("sn__", "")
	f.Fuzz(func(t *testing.T, id, user string) {
		c, ok := ParseConversation(id)
		if !ok {
			return
		}
		peers, _ := c.Peers(user)
		for _, p := range peers {
			if c.Rest != user+"_"+p && c.Rest != p+"_"+user {
				t.Fatalf("%q holds neither %q and %q", id, user, p)
			}
		}
		if _, group := c.Group(); group && len(peers) > 0 {
			t.Fatalf("%q is of a group and of two", id)
		}
	})
}
