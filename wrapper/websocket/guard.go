package websocket

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Values that the server's side of a message has (openimsdk/protocol constant.go).
const (
	fromUser      = 100 // msgFrom: UserMsgType
	statusSending = 1   // status: OpenIM makes "sent" of it; 4 and more would hide the message from its receivers
)

// clockSkew is how far a client's createTime may be from ours before ours is taken.
const clockSkew = 10 * time.Minute

// Reasons of the guard's own refusals, fixed words for metrics and the trail.
const (
	reasonUnknown   = "unknown_request"
	reasonNobody    = "nobody"
	reasonIdentity  = "foreign_identity"
	reasonForeign   = "foreign_conversation"
	reasonNotMember = "not_a_member"
	reasonContent   = "content_type"
	reasonSession   = "session_type"
	reasonTarget    = "target"
	reasonTooLarge  = "too_large"
	reasonDown      = "unavailable"
	reasonOver      = "session_over"
	reasonNoPeer    = "no_such_user"
	reasonPresence  = "subscriptions"
	reasonBusy      = "busy"
)

// guard turns a client's request into the one that OpenIM gets.
type guard struct {
	members  Members
	profiles Profiles
	judge    Judge
	now      func() time.Time
}

// outcome is what becomes of one frame. Without a refusal the request goes on.
type outcome struct {
	request frame.Request
	asked   []string // conversations that the request names
	refusal *Refusal
	verdict string
}

func refused(code int, reason, text string) outcome {
	return outcome{verdict: VerdictRefused, refusal: &Refusal{ErrCode: code, Reason: reason, Text: text}}
}

// decide takes the steps in order: is it well formed, may there be so many, who is meant, whose conversations are they.
// held is what the socket has already. f gets what was found. The error is errMalformed: the socket is to be closed.
func (g *guard) decide(ctx context.Context, id Identity, held *held, req frame.Request, f *Frame) (outcome, error) {
	row := Find(req.ID)
	f.Class, f.Audit = ClassRead, AuditWrite
	w := walk{user: id.UserID}
	var out []byte
	var bad error
	if row != nil {
		f.Name, f.Class, f.Audit = row.Name, row.Class, row.Audit
		out, _, bad = w.message(req.Data, row.Fields)
		if errors.Is(bad, errMalformed) {
			return outcome{}, errMalformed
		}
		describeFrame(f, row, &w.found)
	}
	if g.judge != nil {
		if r := g.judge.Frame(ctx, id, f); r != nil {
			return outcome{verdict: VerdictRefused, refusal: r}, nil
		}
	}
	if o, ok := permitted(id, req, row, f, &w.found, bad); !ok {
		return o, nil
	}
	verdict := VerdictAllowed
	strike, o, ok := g.parties(ctx, id, held, f)
	if !ok {
		return o, nil
	}
	if len(strike) > 0 {
		again := walk{user: id.UserID, strike: strike}
		if out, _, bad = again.message(req.Data, row.Fields); bad != nil {
			return outcome{}, errMalformed // cannot be: it was walked before
		}
		verdict = VerdictTrimmed
	}
	if row.ID == idPresence && !held.subscribe(w.found.listed["subscribeUserID"], w.found.listed["unsubscribeUserID"]) {
		return refused(wire.CodeArgs, reasonPresence, presenceText), nil
	}
	asked := slices.DeleteFunc(slices.Clone(f.Conversations), func(id string) bool { return strike[id] })
	req.SendID, req.Data = id.UserID, g.finish(ctx, out, id, row, f, &w.found)
	return outcome{request: req, asked: asked, verdict: verdict}, nil
}

func describeFrame(f *Frame, row *Request, seen *found) {
	f.Users, f.ContentBytes = seen.users, seen.contentBytes
	f.Conversations = slices.Compact(slices.Sorted(slices.Values(seen.conversations)))
	if row.ID != idSend {
		return
	}
	f.ClientMsgID, f.RecvID, f.GroupID = seen.texts["clientMsgID"], seen.texts["recvID"], seen.texts["groupID"]
	f.SessionType, f.ContentType = int32(seen.numbers["sessionType"]), int32(seen.numbers["contentType"]) //nolint:gosec // a number over the bound is refused
	history, set := seen.options["history"]
	f.OnlineOnly = set && !history
}

// permitted looks at what needs nobody's answer.
func permitted(id Identity, req frame.Request, row *Request, f *Frame, seen *found, bad error) (outcome, bool) {
	var arg *argument
	switch {
	case !ids.Legal(id.UserID):
		return refused(wire.CodeNoPermission, reasonIdentity, "your user id must hold "+ids.Rule+": ask for another"), false
	case row == nil:
		return refused(wire.CodeArgs, reasonUnknown, "there is no such request: see docs/websocket.md"), false
	case row.Refused != "":
		return refused(wire.CodeNoPermission, reasonNobody, "this request is not passed on: "+row.Refused), false
	case req.SendID != "" && req.SendID != id.UserID:
		return refused(wire.CodeNoPermission, reasonIdentity, "sendID is not the user of this session: send your own"), false
	case seen.foreignSelf:
		return refused(wire.CodeNoPermission, reasonIdentity, "the request is in another user's name: send your own"), false
	case errors.As(bad, &arg):
		return refused(wire.CodeArgs, arg.reason, arg.text), false
	}
	if row.ID != idSend {
		return outcome{}, true
	}
	return message1003(f)
}

func message1003(f *Frame) (outcome, bool) {
	if _, ok := SessionTypes[f.SessionType]; !ok {
		return refused(wire.CodeNoPermission, reasonSession, "a client may send to a user (sessionType 1) or to a group (3) alone"), false
	}
	if _, ok := ContentTypes[f.ContentType]; !ok {
		return refused(wire.CodeNoPermission, reasonContent, "this contentType is not a client's to send: see docs/websocket.md"), false
	}
	single := f.SessionType == sessionSingle
	if single && (f.RecvID == "" || f.GroupID != "") || !single && (f.GroupID == "" || f.RecvID != "") {
		return refused(wire.CodeArgs, reasonTarget, "name recvID for sessionType 1, groupID for 3, and not the other"), false
	}
	if !single {
		f.Conversations = []string{groupPrefix + f.GroupID}
	}
	return outcome{}, true
}

// parties asks which conversations are the user's. A pull loses those that are not; a message to a group that is
// not theirs or to a user who does not exist, or a pull without any of theirs, is refused. So is what cannot be asked now.
func (g *guard) parties(ctx context.Context, id Identity, held *held, f *Frame) (strike map[string]bool, o outcome, ok bool) {
	conversations := f.Conversations
	if f.ID == idSend && f.SessionType == sessionSingle && !held.knows(f.RecvID) {
		conversations = []string{pair(id.UserID, f.RecvID)}
	}
	for asked := range slices.Chunk(conversations, MaxAsked) {
		answers, err := g.members.Member(ctx, id, asked)
		if over, ok := sessionOver(err); ok {
			return nil, refused(over.ErrCode, reasonOver, over.Text), false
		}
		if err != nil || len(answers) != len(asked) {
			o = refused(wire.CodeInternal, reasonDown, "whether the conversation is yours cannot be found out now: try again")
			o.verdict = VerdictFailed
			return nil, o, false
		}
		for i, is := range answers {
			if is {
				continue
			}
			if strike == nil {
				strike = map[string]bool{}
			}
			strike[asked[i]] = true
			f.Foreign = append(f.Foreign, asked[i])
		}
	}
	switch {
	case len(strike) == 0:
		if f.RecvID != "" {
			held.meet(f.RecvID)
		}
		return nil, outcome{}, true
	case f.ID == idSend && f.SessionType == sessionSingle:
		return nil, refused(wire.CodeNoPermission, reasonNoPeer, "there is no such user to send to"), false
	case f.ID == idSend:
		return nil, refused(wire.CodeNoPermission, reasonNotMember, "you are not a member of this group"), false
	case len(strike) == len(f.Conversations):
		return nil, refused(wire.CodeNoPermission, reasonForeign, "you are no party of this conversation"), false
	}
	return strike, outcome{}, true
}

// finish adds what is not the client's to say.
func (g *guard) finish(ctx context.Context, out []byte, id Identity, row *Request, f *Frame, seen *found) []byte {
	for i := range row.Fields {
		field := &row.Fields[i]
		switch field.Rule {
		case Self:
			out = appendText(out, field.Number, id.UserID)
		case Session:
			out = appendNumber(out, field.Number, int64(id.PlatformID))
		}
	}
	if row.ID != idSend {
		return out
	}
	created, now := seen.numbers["createTime"], g.now()
	if d := now.Sub(time.UnixMilli(created)); d > clockSkew || d < -clockSkew {
		created = now.UnixMilli()
	}
	sender := g.sender(ctx, id, f.GroupID)
	if seen.texts["title"] != "" && sender.Nickname != "" {
		out = rewrite(out, []protowire.Number{fieldPushInfo}, func(info []byte) []byte {
			return appendText(info, fieldPushTitle, bounded(sender.Nickname, bounds.Push))
		})
	}
	for _, field := range row.Fields {
		switch field.Name {
		case "senderNickname":
			out = appendText(out, field.Number, sender.Nickname)
		case "senderFaceURL":
			out = appendText(out, field.Number, sender.FaceURL)
		case "msgFrom":
			out = appendNumber(out, field.Number, fromUser)
		case "status":
			out = appendNumber(out, field.Number, statusSending)
		case "createTime":
			out = appendNumber(out, field.Number, created)
		}
	}
	return out
}

// sender is how the user is shown to others. When that cannot be found out, nothing is shown: receivers' SDKs look the name up.
func (g *guard) sender(ctx context.Context, id Identity, groupID string) Sender {
	if g.profiles == nil {
		return Sender{}
	}
	s, err := g.profiles.Sender(ctx, id, groupID)
	if err != nil {
		return Sender{}
	}
	return Sender{strings.ToValidUTF8(s.Nickname, ""), strings.ToValidUTF8(s.FaceURL, "")}
}

// bounded cuts a text between two characters.
func bounded(s string, most int) string {
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

// Fields of sdkws.MsgData and sdkws.OfflinePushInfo.
const (
	fieldPushInfo  = 20
	fieldPushTitle = 1
)

func appendText(out []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return out
	}
	return protowire.AppendString(protowire.AppendTag(out, num, protowire.BytesType), s)
}

func appendNumber(out []byte, num protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, num, protowire.VarintType), uint64(v)) //nolint:gosec // as protobuf has it
}
