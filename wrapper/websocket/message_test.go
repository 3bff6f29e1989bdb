package websocket

import (
	"context"
	"errors"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func TestServerFieldsOfAMessageAreReplaced(t *testing.T) {
	g := NewWithT(t)
	forged := pb{}.str(1, "alice").str(2, "bob").str(4, "c1").str(5, "server-id").num(6, 1).str(7, "Admin").str(8, "https://evil/face").
		num(9, 1).num(10, 200).num(11, 101).str(12, "hi").num(14, 99).num(15, 1).num(16, 1).num(17, 4).num(18, 1)
	got := fields(passed(t, idSend, forged))
	g.Expect(got[1]).To(Equal([]any{"alice"}))
	g.Expect(got[2]).To(Equal([]any{"bob"}))
	g.Expect(got[6]).To(Equal([]any{int64(7)}), "senderPlatformID is the session's")
	g.Expect(got[10]).To(Equal([]any{int64(fromUser)}), "msgFrom: a user")
	g.Expect(got[16]).To(Equal([]any{noon.UnixMilli()}), "a createTime of 1970 is replaced")
	g.Expect(got[17]).To(Equal([]any{int64(statusSending)}), "status 4 would hide it")
	g.Expect(got[12]).To(Equal([]any{"hi"}))
	for _, n := range []int32{5, 7, 8, 14, 15, 18} {
		g.Expect(got).NotTo(HaveKey(BeEquivalentTo(n)), "field %d", n)
	}
}

func TestAPlausibleCreateTimeIsKept(t *testing.T) {
	g := NewWithT(t)
	for _, d := range []time.Duration{0, clockSkew, -clockSkew} {
		at := noon.Add(d).UnixMilli()
		g.Expect(fields(passed(t, idSend, textMessage().num(16, at)))[16]).To(Equal([]any{at}))
	}
	for _, at := range []int64{noon.Add(clockSkew + time.Second).UnixMilli(), noon.Add(-clockSkew - time.Second).UnixMilli(), 0, -1,
		1<<63 - 1} {
		g.Expect(fields(passed(t, idSend, textMessage().num(16, at)))[16]).To(Equal([]any{noon.UnixMilli()}), "%d", at)
	}
}

func TestOnlyAClientsContentTypes(t *testing.T) {
	g := NewWithT(t)
	for n := int32(-3); n < 6000; n++ {
		data := pb{}.str(1, "alice").str(2, "bob").num(9, 1).num(11, int64(n)).str(12, "hi")
		if _, ok := ContentTypes[n]; ok {
			passed(t, idSend, data)
			continue
		}
		g.Expect(refusal(t, idSend, data).Reason).To(BeElementOf(reasonContent, "argument"), "%d", n)
	}
	for n := range ContentTypes {
		g.Expect(n < 1000 || n > 5000).To(BeTrue(), "OpenIM skips block list and membership for notifications")
	}
}

func TestOnlySingleChatsAndGroups(t *testing.T) {
	g := NewWithT(t)
	for n := int64(-1); n < 10; n++ {
		if n == sessionSingle || n == sessionGroup {
			continue
		}
		g.Expect(refusal(t, idSend, pb{}.str(1, "alice").str(2, "bob").num(9, n).num(11, 101)).Reason).To(BeElementOf(reasonSession,
			"argument"), "%d", n)
	}
}

func TestAMessageNamesOneTarget(t *testing.T) {
	g := NewWithT(t)
	for name, data := range map[string]pb{
		"single without recvID":  pb{}.num(9, 1).num(11, 101),
		"single with a group":    pb{}.str(2, "bob").str(3, "ours").num(9, 1).num(11, 101),
		"group without group":    pb{}.num(9, 3).num(11, 101),
		"group with a recvID":    pb{}.str(2, "bob").str(3, "ours").num(9, 3).num(11, 101),
		"an id with a line feed": pb{}.str(2, "bob\n").num(9, 1).num(11, 101),
	} {
		g.Expect(refusal(t, idSend, data).ErrCode).To(Equal(wire.CodeArgs), name)
	}
}

func TestAGroupAcceptsMessagesOfMembersOnly(t *testing.T) {
	g := NewWithT(t)
	o, f, err := decide(t, newGuard(), idSend, groupMessage("ours"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.refusal).To(BeNil())
	g.Expect(f.GroupID).To(Equal("ours"))
	g.Expect(refusal(t, idSend, groupMessage("theirs")).Reason).To(Equal(reasonNotMember))
	away := newGuard()
	away.members = noMembers{}
	o, _, _ = decide(t, away, idSend, groupMessage("ours"))
	g.Expect(o.refusal.Reason).To(Equal(reasonDown))
}

func TestOptionsAreThoseOfTheSDKs(t *testing.T) {
	g := NewWithT(t)
	with := func(key string, value int64) pb {
		return textMessage().sub(19, pb{}.str(1, key).num(2, value))
	}
	for _, key := range OptionKeys {
		passed(t, idSend, with(key, 0))
		passed(t, idSend, with(key, 1))
	}
	for _, key := range []string{"isNotNotification", "isSendMsg", "senderNotificationPush", "reactionFromCache", "", "History",
		"anything"} {
		g.Expect(refusal(t, idSend, with(key, 0)).Reason).To(Equal("option"), key)
	}
	g.Expect(refusal(t, idSend, with("history", 2)).Reason).To(Equal("argument"))
	_, _, err := decide(t, newGuard(), idSend, with("history", 1).sub(19, pb{}.str(1, "history").num(2, 0)))
	g.Expect(err).To(MatchError(errMalformed), "one switch twice")
	_, f, _ := decide(t, newGuard(), idSend, with("history", 0))
	g.Expect(f.OnlineOnly).To(BeTrue())
}

type profile func(user, group string) (Sender, error)

func (p profile) Sender(_ context.Context, id Identity, group string) (Sender, error) {
	return p(id.UserID, group)
}

func TestReceiversSeeTheSendersTrueName(t *testing.T) {
	g := NewWithT(t)
	gd := newGuard()
	gd.profiles = profile(func(user, group string) (Sender, error) { return Sender{user + "@" + group, "face"}, nil })
	o, _, _ := decide(t, gd, idSend, groupMessage("ours").str(7, "Admin"))
	g.Expect(fields(o.request.Data)[7]).To(Equal([]any{"alice@ours"}))
	g.Expect(fields(o.request.Data)[8]).To(Equal([]any{"face"}))
	gd.profiles = profile(func(string, string) (Sender, error) { return Sender{"x", "y"}, errors.New("away") })
	o, _, _ = decide(t, gd, idSend, textMessage())
	g.Expect(fields(o.request.Data)).NotTo(HaveKey(BeEquivalentTo(7)))
}

func TestTheAuditLogGetsNoTextOfAMessage(t *testing.T) {
	_, f, _ := decide(t, newGuard(), idSend, textMessage())
	g := NewWithT(t)
	g.Expect(f.ContentBytes).To(Equal(len(`{"content":"hi"}`)))
	g.Expect(f.RecvID).To(Equal("bob"))
	g.Expect(f.ContentType).To(BeEquivalentTo(101))
	g.Expect(f.Class).To(Equal(ClassMessage))
}

// atOnce implements Members and Profiles. Each answers after the other was called, so that neither can wait for the other's answer.
type atOnce struct {
	member, profile chan struct{}
	is              bool
	hangs           chan struct{} // the profile is not answered before it is closed; nil: at once
}

func (a *atOnce) Member(ctx context.Context, _ Identity, _ []string) ([]bool, error) {
	close(a.member)
	select {
	case <-a.profile:
		return []bool{a.is}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (a *atOnce) Sender(ctx context.Context, _ Identity, group string) (Sender, error) {
	close(a.profile)
	<-a.member
	if a.hangs != nil {
		<-a.hangs
	}
	return Sender{Nickname: "of " + group}, ctx.Err()
}

// TestAMessageWaitsForTwoAnswersAtOnce: a message to a group needs the membership and the sender's profile.
func TestAMessageWaitsForTwoAnswersAtOnce(t *testing.T) {
	g := NewWithT(t)
	decide := func(a *atOnce) (decision, error) {
		gd := newGuard()
		gd.members, gd.profiles = a, a
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		return gd.decide(ctx, alice, &socketState{}, frame.Request{ID: idSend, SendID: "alice", Data: groupMessage("g1")}, &Frame{ID: idSend})
	}
	o, err := decide(&atOnce{member: make(chan struct{}), profile: make(chan struct{}), is: true})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.refusal).To(BeNil())
	g.Expect(string(o.request.Data)).To(ContainSubstring("of g1"))

	hangs := make(chan struct{})
	o, err = decide(&atOnce{member: make(chan struct{}), profile: make(chan struct{}), hangs: hangs})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.refusal.Reason).To(Equal(reasonNotMember), "a refusal does not wait for the profile")
	close(hangs)

	o, err = decide(&atOnce{member: make(chan struct{}), profile: make(chan struct{}), is: true})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.refusal).To(BeNil())
}
