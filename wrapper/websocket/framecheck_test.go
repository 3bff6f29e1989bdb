package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

var (
	alice = Identity{UserID: "alice", DeviceID: "d", PlatformID: 7, SessionID: "s"}
	own   = Names{User: "alice", Peer: "bob", Conversation: "si_alice_bob"}
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
)

// memberOf implements Members with a list.
type memberOf []string

func (m memberOf) Member(_ context.Context, id Identity, ids []string) ([]bool, error) {
	if id.UserID != "alice" {
		return nil, errors.New("asked for another user")
	}
	out := make([]bool, len(ids))
	for i, id := range ids {
		for _, known := range m {
			out[i] = out[i] || known == id
		}
	}
	return out, nil
}

type noMembers struct{}

func (noMembers) Member(context.Context, Identity, []string) ([]bool, error) {
	return nil, errors.New("the backend is away")
}

func newGuard() *frameChecker {
	return &frameChecker{members: memberOf{"si_alice_bob", "sg_ours", "n_alice_bob"}, now: func() time.Time { return noon }}
}

func decide(t testing.TB, g *frameChecker, id int32, data []byte) (decision, Frame, error) {
	t.Helper()
	f := Frame{ID: id}
	o, err := g.decide(t.Context(), alice, nil, frame.Request{ID: id, SendID: "alice", OperationID: "op", MsgIncr: "1", Data: data}, &f)
	return o, f, err
}

func passed(t testing.TB, id int32, data []byte) []byte {
	t.Helper()
	o, _, err := decide(t, newGuard(), id, data)
	if err != nil || o.refusal != nil {
		t.Fatalf("%d was not let through: %v %+v", id, err, o.refusal)
	}
	return o.request.Data
}

func refusal(t testing.TB, id int32, data []byte) *Refusal {
	t.Helper()
	o, _, err := decide(t, newGuard(), id, data)
	if err != nil || o.refusal == nil {
		t.Fatalf("%d was let through: %v %x", id, err, o.request.Data)
	}
	return o.refusal
}

func TestEveryRequestOfAnSDKIsPassedOn(t *testing.T) {
	for _, r := range Requests {
		t.Run(r.Name, func(t *testing.T) {
			if r.Refused != "" {
				NewWithT(t).Expect(refusal(t, r.ID, r.Example(own)).Reason).To(Equal(reasonNobody))
				return
			}
			for _, f := range r.Fields {
				got := fields(passed(t, r.ID, r.Example(own)))[f.Number]
				switch {
				case f.Rule == Self:
					NewWithT(t).Expect(got).To(Equal([]any{"alice"}), f.Name)
				case f.Rule == Session:
					NewWithT(t).Expect(got).To(Equal([]any{int64(7)}), f.Name)
				case f.Rule == Bounded && f.Shape == Text:
					NewWithT(t).Expect(got).To(HaveLen(1), f.Name)
				}
			}
		})
	}
}

func TestWhatIsNotInTheTableIsRefused(t *testing.T) {
	for _, id := range []int32{0, -1, 1, 1000, 1008, 2001, 2002, 2006, 2100, 3001, 1<<31 - 1} {
		r := refusal(t, id, nil)
		NewWithT(t).Expect(r.Reason).To(Equal(reasonUnknown), "%d", id)
		NewWithT(t).Expect(r.ErrCode).To(Equal(wire.CodeArgs))
	}
}

// TestReservedUsersCannotBeNamed names the users of "wrapper check" in each field that may name another user.
func TestReservedUsersCannotBeNamed(t *testing.T) {
	seen := 0
	for _, p := range everyField() {
		if p.field.Rule != Peer && p.field.Rule != ID {
			continue
		}
		seen++
		for _, reserved := range []string{ids.CheckSender, ids.CheckReceiver} {
			r := refusal(t, p.row.ID, p.only(reserved))
			NewWithT(t).Expect(r.Reason).To(Equal(reasonNoPeer), "%s %s", p, reserved)
		}
	}
	NewWithT(t).Expect(seen).To(BeNumerically(">=", 4))
}

// spot is a field of a request, and a function that builds a request with it.
type spot struct {
	row   *Request
	field *Field
	wrap  func(pb) pb
}

func (p spot) String() string { return fmt.Sprintf("%d %s", p.row.ID, p.field.Name) }

// everyField returns all fields of the table, including those of nested messages.
func everyField() []spot {
	var out []spot
	var walk func(row *Request, list []Field, wrap func(pb) pb)
	walk = func(row *Request, list []Field, wrap func(pb) pb) {
		for i := range list {
			f := &list[i]
			out = append(out, spot{row, f, wrap})
			if f.Shape == Message {
				walk(row, f.Fields, func(inner pb) pb { return wrap(pb{}.sub(f.Number, inner)) })
			}
		}
	}
	for i := range Requests {
		if Requests[i].Refused == "" {
			walk(&Requests[i], Requests[i].Fields, func(p pb) pb { return p })
		}
	}
	return out
}

// only returns a request with this field only.
func (p spot) only(values ...any) []byte {
	var inner pb
	for _, v := range values {
		switch v := v.(type) {
		case string:
			inner = inner.str(p.field.Number, v)
		case int64:
			inner = inner.num(p.field.Number, v)
		case pb:
			inner = append(inner, v...)
		}
	}
	return p.wrap(inner)
}

func TestEveryIdentityFieldIsEnforced(t *testing.T) {
	seen := 0
	for _, p := range everyField() {
		if p.field.Rule != Self {
			continue
		}
		seen++
		t.Run(p.String(), func(t *testing.T) {
			g := NewWithT(t)
			foreign := refusal(t, p.row.ID, p.row.Example(Names{User: "bob", Peer: "carol", Conversation: "si_alice_bob"}))
			g.Expect(foreign.Reason).To(Equal(reasonIdentity))
			g.Expect(foreign.ErrCode).To(Equal(wire.CodeNoPermission))
			for _, near := range []string{"Alice", "alice ", "alice\u200b", "ALICE", "al", "alicea"} {
				g.Expect(refusal(t, p.row.ID,
					p.row.Example(Names{User: near, Peer: "bob", Conversation: "si_alice_bob"})).Reason).To(Equal(reasonIdentity), near)
			}
			absent := passed(t, p.row.ID, p.row.Example(Names{Peer: "bob", Conversation: "si_alice_bob"}))
			g.Expect(fields(absent)[p.field.Number]).To(Equal([]any{"alice"}), "filled in")
			empty := append(pb{}.str(p.field.Number, ""), p.row.Example(Names{Peer: "bob", Conversation: "si_alice_bob"})...)
			g.Expect(fields(passed(t, p.row.ID, empty))[p.field.Number]).To(Equal([]any{"alice"}))
		})
	}
	NewWithT(t).Expect(seen).To(BeNumerically(">=", 8), "the table has as many requests with an owner")
}

func TestNoFieldCanBeSmuggledPastTheGuard(t *testing.T) {
	for _, p := range everyField() {
		t.Run(p.String(), func(t *testing.T) {
			value := any("alice")
			wrong := pb(protowire.AppendVarint(protowire.AppendTag(nil, p.field.Number, protowire.VarintType), 1))
			if p.field.Shape == Number {
				value, wrong = int64(1), pb{}.str(p.field.Number, "alice")
			}
			malformed := map[string][]byte{}
			if p.field.Shape != Numbers {
				malformed["another wire type"] = p.only(wrong)
			}
			if !p.field.Repeated {
				malformed["twice"] = p.only(value, value)
			}
			for name, typ := range map[string]protowire.Type{"fixed32": protowire.Fixed32Type, "fixed64": protowire.Fixed64Type} {
				malformed[name] = p.only(append(pb(protowire.AppendTag(nil, p.field.Number, typ)), 1, 2, 3, 4, 5, 6, 7, 8))
			}
			malformed["a group"] = p.only(pb(protowire.AppendTag(protowire.AppendTag(nil, p.field.Number, protowire.StartGroupType),
				p.field.Number, protowire.EndGroupType)))
			malformed["a tag that is too long"] = p.only(append(longVarint(uint64(p.field.Number)<<3|uint64(wireType(p.field))), 1, 'a'))
			malformed["a length or number that is too long"] = p.only(append(pb(protowire.AppendTag(nil, p.field.Number,
				wireType(p.field))), append(longVarint(1), 'a')...))
			malformed["a value that breaks off"] = p.only(append(pb(protowire.AppendTag(nil, p.field.Number, wireType(p.field))), 0xff))
			if p.field.Shape == Text {
				malformed["text that is no UTF-8"] = p.only("al\xffice")
			}
			for name, data := range malformed {
				_, _, err := decide(t, newGuard(), p.row.ID, data)
				NewWithT(t).Expect(err).To(MatchError(errMalformed), "%s: %x", name, data)
			}
		})
	}
}

func wireType(f *Field) protowire.Type {
	if f.Shape == Number {
		return protowire.VarintType
	}
	return protowire.BytesType
}

// longVarint encodes a number in one byte more than necessary.
func longVarint(v uint64) pb {
	out := protowire.AppendVarint(nil, v)
	out[len(out)-1] |= 0x80
	return append(out, 0)
}

func TestEveryBoundHolds(t *testing.T) {
	for _, p := range everyField() {
		if p.field.Bound == 0 || p.field.Rule == Session || p.field.Shape == Switches {
			continue
		}
		t.Run(p.String(), func(t *testing.T) {
			var data []byte
			switch f := p.field; {
			case f.Shape == Numbers:
				data = p.only(pb{}.str(f.Number, strings.Repeat("\x01", int(f.Bound)+1)))
			case f.Shape == Number:
				data = p.only(f.Bound + 1)
				if f.Bound == bounds.Int32 {
					data = p.only(int64(1<<32 + 101)) // 101 after truncation to 32 bits
				}
			case f.Repeated:
				inner := pb{}.str(f.Number, "u")
				if f.Shape == Message {
					at := slices.IndexFunc(f.Fields, func(f Field) bool { return f.Rule == Conversation })
					inner = pb{}.sub(f.Number, pb{}.str(f.Fields[at].Number, "c"))
				}
				data = p.wrap(bytes.Repeat(inner, int(f.Bound)+1))
			default:
				data = p.only(strings.Repeat("x", int(f.Bound)+1))
			}
			g := NewWithT(t)
			g.Expect(refusal(t, p.row.ID, data).Reason).To(Equal("argument"))
			if p.field.Shape == Numbers {
				g.Expect(refusal(t, p.row.ID,
					p.only(pb(protowire.AppendVarint(nil, uint64(p.field.Entry)+1)).packed(p.field.Number))).Reason).To(Equal("argument"))
				g.Expect(refusal(t, p.row.ID, p.only(p.field.Entry+1)).Reason).To(Equal("argument"), "not packed")
			} else if p.field.Entry > 0 {
				g.Expect(refusal(t, p.row.ID, p.only(strings.Repeat("x", int(p.field.Entry)+1))).Reason).To(Equal("argument"))
			}
			if p.field.Shape == Number {
				g.Expect(refusal(t, p.row.ID, p.only(int64(-1))).Reason).To(Equal("argument"), "a negative number")
			}
		})
	}
}

func TestEveryConversationFieldIsEnforced(t *testing.T) {
	seen := 0
	for _, p := range everyField() {
		if p.field.Rule != Conversation {
			continue
		}
		seen++
		t.Run(p.String(), func(t *testing.T) {
			g := NewWithT(t)
			foreign := refusal(t, p.row.ID, p.row.Example(Names{User: "alice", Conversation: "si_bob_carol"}))
			g.Expect(foreign.Reason).To(Equal(reasonForeign))
			g.Expect(foreign.ErrCode).To(Equal(wire.CodeNoPermission))

			mixed := append(p.only("si_bob_carol"), append(p.only("si_alice_bob"), p.only("n_bob_carol")...)...)
			o, f, err := decide(t, newGuard(), p.row.ID, mixed)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(o.verdict).To(Equal(VerdictTrimmed))
			g.Expect(f.Foreign).To(ConsistOf("si_bob_carol", "n_bob_carol"))
			g.Expect(string(o.request.Data)).To(ContainSubstring("si_alice_bob"))
			g.Expect(string(o.request.Data)).NotTo(ContainSubstring("carol"), "nothing foreign is left")

			away := newGuard()
			away.members = noMembers{}
			o, _, err = decide(t, away, p.row.ID, p.row.Example(own))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(o.refusal.Reason).To(Equal(reasonDown), "what cannot be asked is not allowed")
			g.Expect(o.verdict).To(Equal(VerdictFailed))

			for _, odd := range []string{"", "si_alice_bob\n"} {
				g.Expect(refusal(t, p.row.ID, p.only(odd)).Reason).To(Equal("argument"), "%q", odd)
			}
		})
	}
	NewWithT(t).Expect(seen).To(Equal(4), "1002, 1005, 1006, 1007")
}

func TestARangeWithoutItsConversationIsRefused(t *testing.T) {
	NewWithT(t).Expect(refusal(t, 1002, pb{}.sub(2, pb{}.num(2, 1).num(3, 9))).Reason).To(Equal("argument"))
	NewWithT(t).Expect(refusal(t, 1005, pb{}.sub(2, pb{}.str(3, "\x01"))).Reason).To(Equal("argument"))
}

func TestARangeOfNotificationsIsBounded(t *testing.T) {
	g := NewWithT(t)
	span := func(conversation string, begin, end, num int64) []byte {
		return pb{}.sub(2, pb{}.str(1, conversation).num(2, begin).num(3, end).num(4, num))
	}
	passed(t, 1002, span("si_alice_bob", 1, 1<<40, 20))
	passed(t, 1002, span("n_alice_bob", 1, bounds.Span, 20))
	g.Expect(refusal(t, 1002, span("n_alice_bob", 1, 1<<40, 20)).Reason).To(Equal("argument"), "OpenIM would list every seq")
	g.Expect(refusal(t, 1002, span("si_alice_bob", 1, 1<<40, 0)).Reason).To(Equal("argument"))
	many := bytes.Repeat(span("si_alice_bob", 1, 2, bounds.Pulled), 11)
	g.Expect(refusal(t, 1002, many).Reason).To(Equal("argument"), "together")
}

func TestUnknownFieldsAreRemoved(t *testing.T) {
	for _, r := range Requests {
		if r.Refused != "" {
			continue
		}
		data := append(pb(r.Example(own)).str(13, "x").str(500, "secret").num(501, 7), 0xfd, 0x1f, 1, 2, 3, 4) // field 511, fixed32
		out := fields(passed(t, r.ID, data))
		for _, n := range []protowire.Number{13, 500, 501, 511} {
			NewWithT(t).Expect(out).NotTo(HaveKey(n), r.Name)
		}
	}
}

func TestTheOuterSendIDMustBeTheUser(t *testing.T) {
	g := NewWithT(t)
	for _, r := range Requests {
		if r.Refused != "" {
			continue
		}
		f := Frame{ID: r.ID}
		o, err := newGuard().decide(t.Context(), alice, nil, frame.Request{ID: r.ID, SendID: "bob", Data: r.Example(own)}, &f)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(o.refusal.Reason).To(Equal(reasonIdentity), r.Name)
		o, err = newGuard().decide(t.Context(), alice, nil, frame.Request{ID: r.ID, Data: r.Example(own)}, &f)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(o.request.SendID).To(Equal("alice"), "filled in")
	}
}

func TestTheJudgeDecidesOnceOnEveryFrameAndFirst(t *testing.T) {
	g := NewWithT(t)
	for _, r := range append(slices.Clip(Requests), Request{ID: 4242}) {
		asked := 0
		gd := newGuard()
		gd.members = noMembers{}
		gd.judge = judgeFunc(func(_ Identity, f *Frame) *Refusal {
			asked++
			g.Expect(f.Class).NotTo(BeEmpty())
			return &Refusal{ErrCode: 9, Reason: "limited"}
		})
		if r.Refused == "" {
			o, _, err := decide(t, gd, r.ID, r.Example(own))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(o.refusal.Reason).To(Equal("limited"))
			g.Expect(asked).To(Equal(1), r.Name)
		}
	}
}

type judgeFunc func(Identity, *Frame) *Refusal

func (j judgeFunc) Frame(_ context.Context, id Identity, f *Frame) *Refusal { return j(id, f) }

// everybody implements Members: every conversation is the user's.
type everybody struct{}

func (everybody) Member(_ context.Context, _ Identity, ids []string) ([]bool, error) {
	out := make([]bool, len(ids))
	for i := range out {
		out[i] = true
	}
	return out, nil
}
