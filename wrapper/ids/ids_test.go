package ids

import (
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestLegalIDs(t *testing.T) {
	long := strings.Repeat("u", MaxBytes)
	for _, c := range []struct {
		id                                  string
		legal, conversation, user, newGroup bool
	}{
		{"alice", true, true, true, true},
		{"4711", true, true, true, true},
		{"b_c", true, true, true, false},
		{"user-1@example:2", true, true, false, false},
		{"si_alice_bob", true, true, true, false},
		{long, true, true, true, true},
		{long + "u", false, true, false, false},
		{"si_" + long + "_" + long, false, true, false, false},
		{strings.Repeat("u", MaxConversationBytes+1), false, false, false, false},
		{"", false, false, false, false},
		{"$|^si.bob.carol:", false, false, false, false},
		{"a.b", false, false, false, false},
		{"a b", false, false, false, false},
		{"a\x00", false, false, false, false},
		{"a\n", false, false, false, false},
		{"ålice", false, false, false, false},
		{"ａlice", false, false, false, false},
		{"a\xff", false, false, false, false},
	} {
		t.Run(c.id, func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(Legal(c.id)).To(Equal(c.legal))
			g.Expect(LegalConversation(c.id)).To(Equal(c.conversation))
			g.Expect(LegalNewUser(c.id)).To(Equal(c.user))
			g.Expect(LegalNewGroup(c.id)).To(Equal(c.newGroup))
		})
	}
	g := NewWithT(t)
	for _, r := range `^$|()[]{}*+?\./'"#%&,;<>=!~` + "`" {
		g.Expect(LegalConversation("sg_a"+string(r))).To(BeFalse(), string(r))
	}
}

func TestReservedUsers(t *testing.T) {
	g := NewWithT(t)
	for _, id := range []string{CheckSender, CheckReceiver} {
		g.Expect(Reserved(id)).To(BeTrue())
		g.Expect(LegalNewUser(id)).To(BeTrue(), "OpenIM must accept the registration")
	}
	for _, id := range []string{"", "imAdmin", "openimstack_check", "openimstack_check_c", "OpenIMStack_check_a", CheckSender + "a"} {
		g.Expect(Reserved(id)).To(BeFalse(), "OpenIM compares ids byte for byte: %q is another user", id)
	}
}

// FuzzLegalMeansItself: as a pattern, a legal id matches no text but those that begin with it.
func FuzzLegalMeansItself(f *testing.F) {
	f.Add("si_alice_bob", "si_alice_bobby")
	f.Add("sg_$|^si.bob.carol:", "si_bob_carol:")
	f.Add("si_a.b", "si_aXb")
	f.Fuzz(func(t *testing.T, id, other string) {
		if !LegalConversation(id) {
			return
		}
		pattern, err := regexp.Compile("^" + id)
		if err != nil {
			t.Fatalf("%q is no pattern: %v", id, err)
		}
		if pattern.MatchString(other) != strings.HasPrefix(other, id) {
			t.Fatalf("%q matches %q", id, other)
		}
	})
}
