package websocket

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	dto "github.com/prometheus/client_model/go"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// said returns a sdkws.MsgData.
func said(from, to, group string, session int64, text string) pb {
	m := pb{}
	for number, value := range []string{1: from, 2: to, 3: group, 12: text} {
		if value != "" {
			m = m.str(protoNumber(number), value)
		}
	}
	return m.num(9, session).num(14, 7)
}

// deleted returns the message by which OpenIM replaces a deleted one.
func deleted() pb { return pb{}.num(14, 3).num(15, 1790000000000).num(17, 4) }

// under returns an entry of sdkws.PullMessageBySeqsResp, msg.GetSeqMessageResp and sdkws.PushMessages: messages by conversation.
func under(field int, conversation string, messages ...pb) pb {
	list := pb{}
	for _, m := range messages {
		list = list.sub(1, m)
	}
	return pb{}.sub(protoNumber(field), pb{}.str(1, conversation).sub(2, list.num(2, 1)))
}

// lastOf returns an entry of msg.GetLastMessageResp.
func lastOf(conversation string, m pb) pb { return pb{}.sub(1, pb{}.str(1, conversation).sub(2, m)) }

// seqsOf returns sdkws.GetMaxSeqResp.
func seqsOf(seq int64, conversations ...string) pb {
	out := pb{}
	for _, c := range conversations {
		out = out.sub(1, pb{}.str(1, c).num(2, seq))
	}
	return out
}

// readOf returns msg.GetConversationsHasReadAndMaxSeqResp.
func readOf(conversations ...string) pb {
	out := pb{}
	for _, c := range conversations {
		out = out.sub(1, pb{}.str(1, c).sub(2, pb{}.num(1, 9).num(2, 8).num(3, 1790000000000))).str(2, c)
	}
	return out
}

func toAlice(text string) pb { return under(1, "si_alice_bob", said("bob", "alice", "", 1, text)) }

// dropped returns the value of the counter of dropped data.
func (w *testEnv) dropped(reason string) float64 {
	total := 0.0
	families, err := w.options.Registry.(interface {
		Gather() ([]*dto.MetricFamily, error)
	}).Gather()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "openim_wrapper_dropped_from_openim_total" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "reason" && l.GetValue() == reason {
					total += m.GetCounter().GetValue()
				}
			}
		}
	}
	return total
}

// answering starts an environment in which OpenIM replies to every request with the same data.
func answering(t *testing.T, data func(msggatewaytest.Req) []byte) *testEnv {
	return newEnv(t, func(w *testEnv) {
		w.openIM.Answer = func(r msggatewaytest.Req) msggatewaytest.Resp { return msggatewaytest.Resp{Data: data(r)} }
	})
}

// asks has the requests that name conversations.
var asks = map[int]func(conversations ...string) pb{
	idRanges: func(conversations ...string) pb {
		out := pb{}
		for _, c := range conversations {
			out = out.sub(2, pb{}.str(1, c).num(2, 1).num(3, 9).num(4, 9))
		}
		return out
	},
	idSeqs: func(conversations ...string) pb {
		out := pb{}
		for _, c := range conversations {
			out = out.sub(2, pb{}.str(2, c).str(3, "\x01"))
		}
		return out
	},
	idRead: listed,
	idLast: listed,
}

func listed(conversations ...string) pb {
	out := pb{}
	for _, c := range conversations {
		out = out.str(2, c)
	}
	return out
}

// TestMessagesOfOtherConversationsAreRemoved: OpenIM's pattern for a conversation's id also finds others, such as si_alice_bobX for
// si_alice_bob.
func TestMessagesOfOtherConversationsAreRemoved(t *testing.T) {
	secret := said("bobX", "alice2", "", 1, "secret")
	for name, stolen := range map[string]pb{
		"of two others":                      secret,
		"of a name that is longer":           said("alice", "bobX", "", 1, "secret"),
		"of a group":                         said("carol", "", "theirs", 3, "secret"),
		"of a group with the pair's name":    said("carol", "", "alice_bob", 3, "secret"),
		"of the same pair as a notice":       said("carol", "dave", "", 4, "secret"),
		"of nobody":                          said("", "", "", 1, "secret"),
		"of no kind":                         said("alice", "bob", "", 0, "secret"),
		"of nobody and no kind":              said("", "", "", 0, "secret"),
		"with an underscore in another name": said("alice_bob", "", "", 1, "secret"),
	} {
		for id, in := range map[int]func(pb) pb{
			idRanges: func(m pb) pb { return under(1, "si_alice_bob", m, said("alice", "bob", "", 1, "ours"), deleted()) },
			idSeqs:   func(m pb) pb { return under(1, "si_alice_bob", said("bob", "alice", "", 1, "ours"), deleted(), m) },
			idLast: func(m pb) pb {
				return append(lastOf("si_alice_bob", m), lastOf("sg_ours", said("bob", "", "ours", 3, "ours"))...)
			},
		} {
			for _, enc := range encodings {
				t.Run(fmt.Sprint(name, " ", id, " ", enc), func(t *testing.T) {
					g := NewWithT(t)
					w := answering(t, func(msggatewaytest.Req) []byte { return in(stolen) })
					alice := w.connect("alice", "alice-token", 1, enc)
					got := alice.ask(id, asks[id]("si_alice_bob", "sg_ours"))
					g.Expect(got.ErrCode).To(BeZero())
					g.Expect(got.MsgIncr).To(Equal("1"))
					g.Expect(string(got.Data)).NotTo(ContainSubstring("secret"))
					g.Expect(string(got.Data)).To(ContainSubstring("ours"), "the rest stays")
					if id != idLast {
						g.Expect(string(got.Data)).To(ContainSubstring(string(deleted())), "a gap is a gap still")
					}
					g.Expect(w.dropped(dropOther)).To(Equal(1.0))
					g.Expect(alice.ask(2004, nil).ErrCode).To(BeZero(), "the socket goes on")
				})
			}
		}
	}
}

func TestConversationsThatWereNotRequestedAreRemoved(t *testing.T) {
	for id, data := range map[int]pb{
		idRanges: append(under(1, "si_alice_carol", said("alice", "carol", "", 1, "unasked")),
			under(2, "sg_ours", said("bob", "", "ours", 3, "asked"))...),
		idSeqs: append(under(2, "si_alice_carol", said("alice", "carol", "", 1, "unasked")),
			under(1, "sg_ours", said("bob", "", "ours", 3, "asked"))...),
		idLast: append(lastOf("si_alice_carol", said("alice", "carol", "", 1, "unasked")),
			lastOf("sg_ours", said("bob", "", "ours", 3, "asked"))...),
	} {
		t.Run(fmt.Sprint(id), func(t *testing.T) {
			g := NewWithT(t)
			w := answering(t, func(msggatewaytest.Req) []byte { return data })
			got := w.alice().ask(id, asks[id]("sg_ours"))
			g.Expect(string(got.Data)).NotTo(ContainSubstring("unasked"))
			g.Expect(string(got.Data)).To(ContainSubstring("asked"))
			g.Expect(w.dropped(dropForeign)).To(Equal(1.0))
		})
	}
}

func TestTheUsersOwnDataIsUnchanged(t *testing.T) {
	ours := append(under(1, "si_alice_bob", said("alice", "bob", "", 1, "1"), deleted(), said("bob", "alice", "", 1, "2")),
		slices.Concat(under(1, "sg_ours", said("carol", "", "ours", 3, "3"), said("carol", "ours", "ours", 3, "4")),
			under(2, "n_alice_bob", said("bob", "alice", "", 4, "5")),
			under(2, "n_ours", said("carol", "ours", "ours", 3, "6")), under(1, "sn_sys_alice", said("sys", "alice", "", 4, "7")),
			under(2, "n_alice_alice", said("alice", "alice", "", 1, "8")))...)
	w := answering(t, func(msggatewaytest.Req) []byte { return ours })
	w.member = func(string, string) bool { return true }
	alice := w.alice()
	for _, id := range []int{idRanges, idSeqs} {
		got := alice.ask(id, asks[id]("si_alice_bob", "sg_ours", "n_alice_bob", "n_ours", "sn_sys_alice", "n_alice_alice"))
		NewWithT(t).Expect(got.Data).To(BeEquivalentTo(ours))
	}
}

// TestSeqsOfFormerGroupsAreRemoved: OpenIM returns the seqs of every conversation that a user ever had, and treats an empty list as all.
func TestSeqsOfFormerGroupsAreRemoved(t *testing.T) {
	named := []string{"si_alice_bob", "n_alice_bob", "sg_left", "n_left", "sg_ours", "n_ours", "si_carol_dave", "n_alice_alice", "sg_", "x"}
	for name, c := range map[string]struct {
		id      int
		request pb
		data    pb
	}{
		"1001":            {idNewest, nil, seqsOf(9, named...)},
		"1006, of all":    {idRead, nil, readOf(named...)},
		"1006, of some":   {idRead, listed("si_alice_bob", "sg_ours", "sg_left"), readOf(named...)},
		"1006, with ours": {idRead, listed("si_alice_bob", "sg_ours"), readOf("si_alice_bob", "sg_ours", "sg_left")},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			w := answering(t, func(msggatewaytest.Req) []byte { return c.data })
			alice := w.alice()
			got := alice.ask(c.id, c.request)
			g.Expect(got.ErrCode).To(BeZero())
			for _, theirs := range []string{"left", "carol", "sg_\x00"} {
				g.Expect(string(got.Data)).NotTo(ContainSubstring(theirs))
			}
			g.Expect(string(got.Data)).To(And(ContainSubstring("si_alice_bob"), ContainSubstring("sg_ours")))

			w.mu.Lock()
			w.down["members"] = true
			w.mu.Unlock()
			if c.request == nil {
				g.Expect(alice.ask(c.id, nil).ErrCode).To(Equal(wire.CodeInternal), "what cannot be asked is not told")
			}
			g.Expect(alice.ask(2004, nil).ErrCode).To(BeZero(), "the socket goes on")
		})
	}
}

func TestAnEmptyPullRequestsNothing(t *testing.T) {
	for _, id := range []int{idRanges, idSeqs, idLast} {
		g := NewWithT(t)
		w := answering(t, func(msggatewaytest.Req) []byte {
			if id == idLast {
				return lastOf("si_alice_bob", said("alice", "bob", "", 1, "all"))
			}
			return under(1, "si_alice_bob", said("alice", "bob", "", 1, "all"))
		})
		got := w.alice().ask(id, nil)
		g.Expect(got.ErrCode).To(BeZero())
		g.Expect(got.Data).To(BeEmpty(), "%d", id)
	}
}

func TestAReplyThatCannotBeDecodedIsAnError(t *testing.T) {
	for name, data := range map[string][]byte{
		"no protobuf":                   []byte("fromToUserID"),
		"a map's entry that breaks off": {0x0a, 0x02, 0x0a, 0x05},
		"a key twice":                   pb{}.sub(1, pb{}.str(1, "si_alice_bob").str(1, "si_alice_carol").sub(2, pb{})),
		"a key that is a number":        pb{}.sub(1, pb{}.num(1, 1)),
		"messages that are a number":    pb{}.sub(1, pb{}.str(1, "si_alice_bob").num(2, 5)),
		"a group":                       {0x0b, 0x0c},
		"too long":                      under(1, "si_alice_bob", said("alice", "bob", "", 1, strings.Repeat("x", frame.MaxReply))),
	} {
		for id, request := range map[int]pb{idRanges: asks[idRanges]("si_alice_bob"), idSeqs: asks[idSeqs]("si_alice_bob"),
			idLast: listed("si_alice_bob")} {
			t.Run(fmt.Sprint(name, " ", id), func(t *testing.T) {
				g := NewWithT(t)
				var repaired atomic.Bool
				w := answering(t, func(r msggatewaytest.Req) []byte {
					if !repaired.Load() && int(r.ReqIdentifier) == id {
						return data
					}
					return nil
				})
				alice := w.alice()
				got := alice.ask(id, request)
				g.Expect(got.ErrCode).To(Equal(wire.CodeInternal))
				g.Expect(got.ErrMsg).NotTo(BeEmpty())
				g.Expect(got.Data).To(BeEmpty())
				g.Expect(w.dropped(dropUnreadable)).To(Equal(1.0))
				repaired.Store(true)
				g.Expect(alice.ask(id, request).ErrCode).To(BeZero(), "the socket goes on")
			})
		}
	}
}

func TestRepliesWithoutARequestAreDropped(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	alice := w.alice()
	eventually(t, "upstream is there", func() bool { return w.openIM.Connections() == 1 })
	for _, id := range []int32{idNewest, idRanges, idSend, idSeqs, idRead, idLast, idLogout, 2004} {
		w.openIM.Push("alice", msggatewaytest.Resp{ReqIdentifier: id, MsgIncr: "77", Data: toAlice("unasked")})
		w.openIM.Push("alice", msggatewaytest.Resp{ReqIdentifier: id, Data: toAlice("unasked")})
	}
	w.openIM.Push("alice", msggatewaytest.Resp{ReqIdentifier: idPresence, MsgIncr: "77", Data: toAlice("unasked")})
	w.openIM.Push("alice", msggatewaytest.Resp{ReqIdentifier: idPresence, Data: pb{}.sub(1, pb{}.str(1, "bob"))})
	got := alice.next()
	g.Expect(got.ReqIdentifier).To(BeEquivalentTo(idPresence))
	g.Expect(string(got.Data)).To(ContainSubstring("bob"), "somebody came: the first that is passed on")
	g.Expect(w.dropped(dropUnasked)).To(Equal(17.0))
}

func TestPushesToOtherUsersAreDropped(t *testing.T) {
	g := NewWithT(t)
	w := newEnv(t)
	alice := w.alice()
	eventually(t, "upstream is there", func() bool { return w.openIM.Connections() == 1 })
	for _, other := range []pb{
		under(1, "si_bob_carol", said("bob", "carol", "", 1, "secret")),
		under(1, "si_alice_bob", said("bob", "carol", "", 1, "secret")),
		under(2, "n_bob_carol", said("bob", "carol", "", 4, "secret")),
		under(1, "sg_theirs", said("bob", "", "ours", 3, "secret")),
		[]byte("secret"),
	} {
		w.openIM.Push("alice", msggatewaytest.Resp{ReqIdentifier: idPush, Data: other})
	}
	for _, own := range []pb{
		toAlice("1"), under(1, "si_alice_bob", said("alice", "bob", "", 1, "2")),
		under(2, "n_alice_alice", said("alice", "alice", "", 1, "3")),
		under(2, "n_bob_alice", said("bob", "alice", "", 1, "wrong order")), under(2, "n_alice_bob", said("bob", "alice", "", 4, "4")),
		under(2, "n_left", said("carol", "left", "left", 3, "you were put out")),
	} {
		w.openIM.Push("alice", msggatewaytest.Resp{ReqIdentifier: idPush, OperationID: strings.Repeat("id,", 5000), Data: own})
	}
	for _, want := range []string{"1", "2", "3", "4", "you were put out"} {
		got := alice.next()
		g.Expect(string(got.Data)).To(ContainSubstring(want))
		g.Expect(got.OperationID).To(HaveLen(15000), "as long as it is")
	}
	g.Expect(w.dropped(dropOther)).To(Equal(5.0))
	g.Expect(w.dropped(dropUnreadable)).To(Equal(1.0))
}

func TestUnknownFieldsOfRepliesAreRemoved(t *testing.T) {
	g := NewWithT(t)
	w := answering(t, func(msggatewaytest.Req) []byte { return toAlice("ours").str(9, "later") })
	got := w.alice().ask(idRanges, asks[idRanges]("si_alice_bob"))
	g.Expect(got.Data).To(BeEquivalentTo(toAlice("ours")))
	g.Expect(w.dropped(dropField)).To(Equal(1.0))
}

// TestIdsWithPatternCharactersAreRefused: a group whose id is a pattern would match conversations of others.
func TestIdsWithPatternCharactersAreRefused(t *testing.T) {
	odd := []string{"$|^si.bob.carol:", "a.b", "a*", "a|b", "(a)", "[a]", "a{2}", "a+", "^a", "a\\", "a b", "a\nb", "é", "a$", "a?", "a/b",
		"a,b", "a%00", "a\x00"}
	seen := 0
	for _, p := range everyField() {
		if p.field.Shape != Text || !slices.Contains([]Rule{Peer, Group, Conversation, ID}, p.field.Rule) {
			continue
		}
		seen++
		t.Run(p.String(), func(t *testing.T) {
			for _, id := range odd {
				for _, before := range []string{"", "sg_", "si_alice_", "n_"} {
					o, _, err := decide(t, &frameChecker{members: everybody{}, now: newGuard().now}, p.row.ID, p.only(before+id))
					NewWithT(t).Expect(err).NotTo(HaveOccurred())
					NewWithT(t).Expect(o.refusal).NotTo(BeNil(), "%q", before+id)
					NewWithT(t).Expect(o.refusal.ErrCode).To(Equal(wire.CodeArgs), "%q", before+id)
				}
			}
		})
	}
	NewWithT(t).Expect(seen).To(Equal(9), "peer, group, four conversations, three lists")

	for _, own := range odd {
		f := Frame{ID: idNewest}
		o, err := newGuard().decide(t.Context(), Identity{UserID: own, PlatformID: 1}, nil, frame.Request{ID: idNewest}, &f)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(o.refusal).NotTo(BeNil(), "the user %q", own)
	}
}
