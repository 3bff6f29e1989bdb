package websocket

import (
	"encoding/json"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
)

func bytesField(out []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, number, protowire.BytesType), value)
}

func numberField(out []byte, number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, number, protowire.VarintType), value)
}

// noticeOf returns a sdkws.MsgData of OpenIM's, with an unknown field at its end.
func noticeOf(kind uint64, detail string) []byte {
	text, _ := json.Marshal(map[string]string{"detail": detail})
	m := bytesField(nil, fieldSendID, []byte("alice"))
	m = bytesField(m, fieldSenderNickname, []byte("Alice"))
	m = bytesField(m, fieldSenderFaceURL, []byte("https://example.com/a.png"))
	m = numberField(m, fieldContentType, kind)
	m = bytesField(m, fieldContent, text)
	m = numberField(m, fieldSendTime, 1790000000000)
	return bytesField(m, 99, []byte("later"))
}

// carried returns the data of a reply with a message and another one.
func carried(id int32, message []byte) []byte {
	inner := message
	if id != 1007 {
		inner = bytesField(bytesField(nil, 1, noticeOf(101, "{}")), 1, message)
	}
	entry := bytesField(bytesField(nil, 1, []byte("n_alice_bob")), 2, inner)
	return bytesField(bytesField(nil, 1, bytesField(nil, 1, []byte("si_empty"))), map[bool]protowire.Number{true: 1, false: 2}[id == 1007],
		entry)
}

// requestIn returns the request that a client reads in a frame, nil if there is none.
func requestIn(t *testing.T, enc frame.Encoding, id int32, data []byte) map[string]any {
	t.Helper()
	rep, err := enc.DecodePushed(data)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(rep.ID).To(Equal(id))
	var request map[string]any
	rewrite(rep.Data, []protowire.Number{1, 2}, func(entry []byte) []byte {
		return rewritePath(entry, messagesAt[id], func(message []byte) []byte {
			n := readNotice(message)
			var outer struct{ Detail string }
			var detail struct{ Request map[string]any }
			if json.Unmarshal(n.content, &outer) == nil && json.Unmarshal([]byte(outer.Detail), &detail) == nil && detail.Request != nil {
				request = detail.Request
			}
			return message
		})
	})
	return request
}

// TestNoticesGetTheMissingRequest has the notifications of OpenIM v3.8.3, and the members that the SDK dereferences.
func TestNoticesGetTheMissingRequest(t *testing.T) {
	friends := `{"fromToUserID":{"fromUserID":"alice","toUserID":"bob"},"handleMsg":"no <thanks>"}`
	group := `{"group":{"groupID":"g1"},"applicant":{"userID":"alice"},"opUser":{"userID":"carol"},"reqMsg":"let me in","handleMsg":"why not","receiverAs":0}`
	for kind, c := range map[uint64]struct {
		detail string
		want   map[string]any
	}{
		noticeFriendAsked: {friends, map[string]any{
			"fromUserID": "alice", "toUserID": "bob", "fromNickname": "Alice", "fromFaceURL": "https://example.com/a.png",
			"handleResult": 0.0, "handleMsg": "no <thanks>", "reqMsg": "", "createTime": 1790000000000.0,
		}},
		noticeFriendAccepted: {friends, map[string]any{
			"fromUserID": "alice", "toUserID": "bob", "fromNickname": "Alice", "fromFaceURL": "https://example.com/a.png",
			"handleResult": 1.0, "handleMsg": "no <thanks>", "reqMsg": "", "handlerUserID": "bob", "handleTime": 1790000000000.0,
		}},
		noticeFriendRefused: {`{"fromToUserID":{"fromUserID":"bob","toUserID":"alice"}}`, map[string]any{
			"fromUserID": "bob", "toUserID": "alice", "toNickname": "Alice", "toFaceURL": "https://example.com/a.png",
			"handleResult": -1.0, "handleMsg": "", "reqMsg": "", "handlerUserID": "alice", "handleTime": 1790000000000.0,
		}},
		noticeGroupAsked: {group, map[string]any{
			"userInfo": map[string]any{"userID": "alice"}, "groupInfo": map[string]any{"groupID": "g1"}, "handleUserID": "carol",
			"handleResult": 0.0, "handleMsg": "why not", "reqMsg": "let me in", "reqTime": 1790000000000.0,
		}},
		noticeGroupAccepted: {`{"group":{"groupID":"g1"},"opUser":{"userID":"carol"},"handleMsg":"welcome","receiverAs":1}`, map[string]any{
			"userInfo": map[string]any{}, "groupInfo": map[string]any{"groupID": "g1"}, "handleUserID": "carol",
			"handleResult": 1.0, "handleMsg": "welcome", "reqMsg": "", "handleTime": 1790000000000.0,
		}},
		noticeGroupRefused: {`{"group":null,"receiverAs":0,"request":null}`, map[string]any{
			"userInfo": map[string]any{}, "groupInfo": map[string]any{}, "handleResult": -1.0, "handleMsg": "", "reqMsg": "",
			"handleTime": 1790000000000.0,
		}},
	} {
		for _, enc := range []frame.Encoding{{}, {Gzip: true}, {JSON: true}, {JSON: true, Gzip: true}} {
			for id := range messagesAt {
				t.Run(fmt.Sprint(kind, " ", enc, " ", id), func(t *testing.T) {
					g := NewWithT(t)
					sent := enc.EncodeReply(frame.Reply{ID: id, MsgIncr: "7", OperationID: "op",
						Data: carried(id, noticeOf(kind, c.detail))})
					head, err := enc.ReplyHead(sent)
					g.Expect(err).NotTo(HaveOccurred())
					got := complete(enc, head, sent)
					g.Expect(requestIn(t, enc, id, got)).To(Equal(c.want))
					g.Expect(complete(enc, head, got)).To(Equal(got), "once is enough")

					before, _ := enc.DecodePushed(sent)
					after, _ := enc.DecodePushed(got)
					g.Expect(after.MsgIncr + after.OperationID).To(Equal(before.MsgIncr + before.OperationID))
					g.Expect(string(after.Data)).To(And(ContainSubstring("later"), ContainSubstring("si_empty")), "the rest is as it was")
				})
			}
		}
	}
}

func TestEverythingElseIsUnchanged(t *testing.T) {
	enc := frame.Encoding{Gzip: true}
	whole := `{"fromToUserID":{"fromUserID":"alice","toUserID":"bob"},"request":{"fromUserID":"alice"}}`
	lacking := `{"fromToUserID":{"fromUserID":"alice","toUserID":"bob"}}`
	for name, rep := range map[string]frame.Reply{
		"a notice that has its request": {ID: idPush, Data: carried(idPush, noticeOf(noticeFriendAsked, whole))},
		"a text that looks like one":    {ID: idPush, Data: carried(idPush, noticeOf(101, lacking))},
		"a notice without names":        {ID: idPush, Data: carried(idPush, noticeOf(noticeFriendAsked, `{"fromToUserID":{}}`))},
		"a detail that is no object":    {ID: idPush, Data: carried(idPush, noticeOf(noticeFriendAsked, `"fromToUserID"`))},
		"a detail that is null": {ID: idPush,
			Data: carried(idPush, append(noticeOf(noticeGroupAsked, `null`), bytesField(nil, 98, []byte("applicant"))...))},
		"another identifier": {ID: 1006, Data: carried(idPush, noticeOf(noticeFriendAsked, lacking))},
		"an error":           {ID: 1005, ErrCode: 1004, Data: carried(1005, noticeOf(noticeFriendAsked, lacking))},
		"no protobuf":        {ID: idPush, Data: []byte("fromToUserID")},
		"nothing":            {ID: idPush},
	} {
		t.Run(name, func(t *testing.T) {
			sent := enc.EncodeReply(rep)
			head, err := enc.ReplyHead(sent)
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			NewWithT(t).Expect(complete(enc, head, sent)).To(Equal(sent))
		})
	}
}

// FuzzComplete checks that the result can be decoded, and that nothing is added twice.
func FuzzComplete(f *testing.F) {
	f.Add(carried(idPush, noticeOf(noticeFriendAsked, `{"fromToUserID":{"fromUserID":"alice","toUserID":"bob"}}`)))
	f.Add(carried(idPush, noticeOf(noticeGroupAsked, `{"applicant":{"userID":"alice"}}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		enc := frame.Encoding{}
		sent := enc.EncodeReply(frame.Reply{ID: idPush, Data: data})
		head, err := enc.ReplyHead(sent)
		if err != nil {
			return
		}
		once := complete(enc, head, sent)
		if _, err := enc.DecodePushed(once); err != nil {
			t.Fatalf("what is passed on is not read: %v", err)
		}
		if twice := complete(enc, head, once); string(twice) != string(once) {
			t.Fatalf("changed twice: %x then %x", once, twice)
		}
	})
}
