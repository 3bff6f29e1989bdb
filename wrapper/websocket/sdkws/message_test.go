package sdkws

import (
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"
)

var sent = Message{
	SendID: "alice", RecvID: "bob", ClientMsgID: "c1", PlatformID: 3, SessionType: SessionSingle, ContentType: ContentText,
	Content: []byte(`{"content":"hello"}`), CreateTime: 1700000000000,
}

// listed encodes a push or a reply to a pull with one message.
func listed(conversation string, m Message, seq int64) []byte {
	data := number(text(m.Marshal(), dataServerMsgID, "s1"), dataSeq, seq)
	return message(nil, listMessages, message(text(nil, entryKey, conversation), entryValue, message(nil, pullMessages, data)))
}

func TestTheNewestSequenceNumbers(t *testing.T) {
	g := NewWithT(t)
	entry := number(text(nil, entryKey, "si_alice_bob"), entryValue, 7)
	g.Expect(UnmarshalNewestSeqs(message(message(nil, newestMax, entry), 2, entry))).To(Equal(map[string]int64{"si_alice_bob": 7}))
	g.Expect(UnmarshalNewestSeqs([]byte{0xff})).To(BeEmpty())
	g.Expect(NewestSeqs("alice")).To(Equal(text(nil, newestUser, "alice")))
}

func TestAMessageInAList(t *testing.T) {
	g := NewWithT(t)
	want := sent
	want.ServerMsgID, want.Seq = "s1", 7
	notifications := message(nil, 2, message(text(nil, entryKey, "n_alice_bob"), entryValue, nil))
	g.Expect(Messages(append(notifications, listed("si_alice_bob", sent, 7)...))).To(Equal([]Listed{{"si_alice_bob", want}}))
	g.Expect(Messages(nil)).To(BeEmpty())
	g.Expect(Messages([]byte("\xff\xff\xff"))).To(BeEmpty())
}

func TestTheOptionAgainstOfflinePush(t *testing.T) {
	g := NewWithT(t)
	options := func(m Message) (all [][]byte) {
		walk(m.Marshal(), func(n protowire.Number, _ int64, content []byte) {
			if n == dataOptions {
				all = append(all, content)
			}
		})
		return all
	}
	g.Expect(options(sent)).To(BeEmpty())
	quiet := sent
	quiet.NoOfflinePush = true
	g.Expect(options(quiet)).To(HaveLen(1))
	g.Expect(string(options(quiet)[0])).To(Equal("\x0a\x0bofflinePush\x10\x00"), "a false that is left out would be OpenIM's default, true")
}

func TestTheReplyToASentMessage(t *testing.T) {
	g := NewWithT(t)
	data := number(text(text(nil, sentServerID, "s1"), sentClientID, "c1"), sentTime, 1700000000000)
	g.Expect(UnmarshalSent(data)).To(Equal(Sent{"s1", "c1", 1700000000000}))
	g.Expect(UnmarshalSent(nil)).To(Equal(Sent{}))
}

// FuzzMessages decodes random bytes. Nothing that is decoded is longer than the input.
func FuzzMessages(f *testing.F) {
	f.Add(listed("si_alice_bob", sent, 7))
	f.Add([]byte("\x0a\x03\x0a\x01a"))
	f.Fuzz(func(t *testing.T, data []byte) {
		size := 0
		for _, m := range Messages(data) {
			size += len(m.SendID) + len(m.RecvID) + len(m.ClientMsgID) + len(m.ServerMsgID) + len(m.Content)
		}
		if size > len(data) {
			t.Fatalf("%d bytes of messages in %d bytes", size, len(data))
		}
		_ = UnmarshalSent(data)
	})
}
