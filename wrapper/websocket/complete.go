package websocket

import (
	"bytes"
	"encoding/json"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// OpenIM up to v3.8.3-patch.4 sends notifications of friend and group requests without the request itself, which protocol 0.0.73 added.
// The official Go SDK v3.8.3-patch.10 dereferences the missing request: its listener goroutine ends, and the app receives no events until
// the next login. complete builds the missing request from the notification's other members. Notifications that contain it are passed on
// byte for byte.

// Content types of the notifications (openimsdk/protocol constant.go).
const (
	noticeFriendAccepted = 1201
	noticeFriendRefused  = 1202
	noticeFriendAsked    = 1203
	noticeGroupAsked     = 1503
	noticeGroupAccepted  = 1505
	noticeGroupRefused   = 1506
)

// Results of a request, as OpenIM's numbers.
const (
	resultAccepted = 1
	resultRefused  = -1
)

// Field numbers of sdkws.MsgData.
const (
	fieldSendID         = 1
	fieldSenderNickname = 7
	fieldSenderFaceURL  = 8
	fieldContentType    = 11
	fieldContent        = 12
	fieldSendTime       = 15
)

// messagesAt are the paths of fields from a reply's data to its messages: maps by conversation (key 1, value 2) of lists (1) of messages,
// or of messages themselves. Both fields 1 and 2 of a reply are such maps.
var messagesAt = map[int32][]protowire.Number{
	idPush: {2, 1}, 1002: {2, 1}, 1005: {2, 1}, 1007: {2},
}

// markers are texts of which every notification without its request contains one.
var markers = [][]byte{[]byte("fromToUserID"), []byte("applicant"), []byte("receiverAs")}

// complete returns the frame with the missing requests added to its notifications, or the frame itself if none is missing.
func complete(enc frame.Encoding, head frame.Reply, data []byte) []byte {
	path, holds := messagesAt[head.ID]
	if !holds || head.ErrCode != wire.CodeOK {
		return data
	}
	rep, err := enc.DecodePushed(data)
	if err != nil || !hasMarker(rep.Data) {
		return data
	}
	changed := false
	rep.Data = rewrite(rep.Data, []protowire.Number{1, 2}, func(entry []byte) []byte {
		return rewritePath(entry, path, func(message []byte) []byte {
			done, ok := completeMessage(message)
			changed = changed || ok
			return done
		})
	})
	if !changed {
		return data
	}
	return enc.EncodeReply(rep)
}

func hasMarker(data []byte) bool {
	for _, sign := range markers {
		if bytes.Contains(data, sign) {
			return true
		}
	}
	return false
}

// rewritePath changes the message at the end of a path of fields.
func rewritePath(in []byte, path []protowire.Number, change func([]byte) []byte) []byte {
	if len(path) == 0 {
		return change(in)
	}
	return rewrite(in, path[:1], func(inner []byte) []byte { return rewritePath(inner, path[1:], change) })
}

// rewrite changes the length-delimited fields of some numbers. It returns a malformed message unchanged, because the client's decoder
// reports it.
func rewrite(in []byte, numbers []protowire.Number, change func([]byte) []byte) []byte {
	out := make([]byte, 0, len(in)+len(in)/4)
	for rest := in; len(rest) > 0; {
		number, typ, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return in
		}
		size := protowire.ConsumeFieldValue(number, typ, rest[n:])
		if size < 0 {
			return in
		}
		if typ == protowire.BytesType && (number == numbers[0] || len(numbers) > 1 && number == numbers[1]) {
			value, _ := protowire.ConsumeBytes(rest[n:])
			// Clip, so that append in change does not overwrite the rest of the message.
			out = protowire.AppendBytes(protowire.AppendTag(out, number, typ), change(slices.Clip(value)))
		} else {
			out = append(out, rest[:n+size]...)
		}
		rest = rest[n+size:]
	}
	return out
}

// notice holds the fields of a message that complete reads.
type notice struct {
	kind             uint64
	sentAt           uint64 // milliseconds since 1970
	sender, nickname string
	faceURL          string
	content          []byte
}

func readNotice(in []byte) (n notice) {
	for len(in) > 0 {
		number, typ, size := protowire.ConsumeTag(in)
		if size < 0 {
			return notice{}
		}
		in = in[size:]
		if size = protowire.ConsumeFieldValue(number, typ, in); size < 0 {
			return notice{}
		}
		switch typ {
		case protowire.VarintType:
			value, _ := protowire.ConsumeVarint(in)
			switch number {
			case fieldContentType:
				n.kind = value
			case fieldSendTime:
				n.sentAt = value
			}
		case protowire.BytesType:
			value, _ := protowire.ConsumeBytes(in)
			switch number {
			case fieldSendID:
				n.sender = string(value)
			case fieldSenderNickname:
				n.nickname = string(value)
			case fieldSenderFaceURL:
				n.faceURL = string(value)
			case fieldContent:
				n.content = value
			}
		}
		in = in[size:]
	}
	return n
}

// completeMessage adds the request to one message. ok reports whether it did.
func completeMessage(message []byte) (done []byte, ok bool) {
	n := readNotice(message)
	switch n.kind {
	case noticeFriendAccepted, noticeFriendRefused, noticeFriendAsked, noticeGroupAsked, noticeGroupAccepted, noticeGroupRefused:
	default:
		return message, false
	}
	content, ok := n.completed()
	if !ok {
		return message, false
	}
	return rewrite(message, []protowire.Number{fieldContent}, func([]byte) []byte { return content }), true
}

// completed returns the content with the request in its detail: {"detail":"<JSON>"}.
func (n notice) completed() ([]byte, bool) {
	var outer, detail map[string]json.RawMessage
	var text string
	if json.Unmarshal(n.content, &outer) != nil || json.Unmarshal(outer["detail"], &text) != nil ||
		json.Unmarshal([]byte(text), &detail) != nil || detail == nil {
		return nil, false
	}
	if there := detail["request"]; len(there) > 0 && string(there) != "null" {
		return nil, false
	}
	request, ok := n.request(detail)
	if !ok {
		return nil, false
	}
	detail["request"] = marshal(request)
	outer["detail"] = marshal(string(marshal(detail)))
	return marshal(outer), true
}

// request returns sdkws.FriendRequest or sdkws.GroupRequest, in the JSON that SDKs decode.
func (n notice) request(detail map[string]json.RawMessage) (map[string]any, bool) {
	request := map[string]any{"handleResult": 0, "handleMsg": "", "reqMsg": ""}
	switch n.kind {
	case noticeFriendAccepted, noticeGroupAccepted:
		request["handleResult"] = resultAccepted
	case noticeFriendRefused, noticeGroupRefused:
		request["handleResult"] = resultRefused
	}
	for _, name := range []string{"handleMsg", "reqMsg"} {
		if value := detail[name]; len(value) > 0 && value[0] == '"' {
			request[name] = value
		}
	}
	if n.kind < noticeGroupAsked {
		return request, n.friend(detail, request)
	}
	// The SDK dereferences both.
	request["userInfo"], request["groupInfo"] = object(detail["applicant"]), object(detail["group"])
	var handler struct {
		UserID string `json:"userID"`
	}
	if json.Unmarshal(detail["opUser"], &handler) == nil && handler.UserID != "" {
		request["handleUserID"] = handler.UserID
	}
	if n.kind == noticeGroupAsked {
		request["reqTime"] = n.sentAt
	} else {
		request["handleTime"] = n.sentAt
	}
	return request, true
}

// friend adds the two users of a friend request. The sender of the notification is one of them.
func (n notice) friend(detail map[string]json.RawMessage, request map[string]any) bool {
	var who struct {
		From string `json:"fromUserID"`
		To   string `json:"toUserID"`
	}
	if json.Unmarshal(detail["fromToUserID"], &who) != nil || who.From == "" || who.To == "" {
		return false
	}
	request["fromUserID"], request["toUserID"] = who.From, who.To
	switch n.sender {
	case who.From:
		request["fromNickname"], request["fromFaceURL"] = n.nickname, n.faceURL
	case who.To:
		request["toNickname"], request["toFaceURL"] = n.nickname, n.faceURL
	}
	if n.kind == noticeFriendAsked {
		request["createTime"] = n.sentAt
	} else {
		request["handlerUserID"], request["handleTime"] = who.To, n.sentAt
	}
	return true
}

// object returns value if it is a JSON object, and an empty object otherwise.
func object(value json.RawMessage) json.RawMessage {
	if len(value) > 0 && value[0] == '{' {
		return value
	}
	return json.RawMessage("{}")
}

// marshal encodes maps, texts and numbers, which cannot fail.
func marshal(value any) json.RawMessage {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}
