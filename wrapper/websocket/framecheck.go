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

// Values of a message that the server sets (openimsdk/protocol constant.go).
const (
	fromUser      = 100 // msgFrom: UserMsgType
	statusSending = 1   // status: OpenIM changes it to "sent"; 4 and more would hide the message from its receivers
)

// clockSkew is the maximum difference between a client's createTime and the gateway's clock. Beyond it the gateway's time replaces
// createTime.
const clockSkew = 10 * time.Minute

// Reasons of refused frames: fixed words for metrics and the audit log.
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

// frameChecker checks a client's request, and turns it into the request for OpenIM.
type frameChecker struct {
	members  Members
	profiles Profiles
	judge    Authorizer
	now      func() time.Time
}

// decision is the result for one frame. Without a refusal the request is passed on.
type decision struct {
	request       frame.Request
	conversations []string // the conversations that the request names
	refusal       *Refusal
	verdict       string
}

// refused returns the decision to refuse a frame.
func refused(code int, reason, text string) decision {
	return decision{verdict: VerdictRefused, refusal: &Refusal{ErrCode: code, Reason: reason, Text: text}}
}

// decide checks a request in this order: format, rate limit and rules, identity, conversations. state is the state of the socket. decide
// describes the request in f. The error is errMalformed: the socket must be closed.
func (g *frameChecker) decide(ctx context.Context, id Identity, state *socketState, req frame.Request, f *Frame) (decision, error) {
	row := Find(req.ID)
	f.Class, f.Audit = ClassRead, AuditWrite
	w := rewriter{user: id.UserID}
	var out []byte
	var bad error
	if row != nil {
		f.Name, f.Class, f.Audit = row.Name, row.Class, row.Audit
		out, _, bad = w.message(req.Data, row.Fields)
		if errors.Is(bad, errMalformed) {
			return decision{}, errMalformed
		}
		describeFrame(f, row, &w.found)
	}
	if g.judge != nil {
		if r := g.judge.Frame(ctx, id, f); r != nil {
			return decision{verdict: VerdictRefused, refusal: r}, nil
		}
	}
	if o, ok := checkRequest(id, req, row, f, &w.found, bad); !ok {
		return o, nil
	}
	verdict := VerdictAllowed
	sender := g.findSender(ctx, id, state, f)
	remove, o, ok := g.checkConversations(ctx, id, state, f)
	if !ok {
		return o, nil
	}
	if len(remove) > 0 {
		again := rewriter{user: id.UserID, remove: remove}
		if out, _, bad = again.message(req.Data, row.Fields); bad != nil {
			return decision{}, errMalformed // impossible: the first pass accepted it
		}
		verdict = VerdictTrimmed
	}
	if row.ID == idPresence && !state.subscribe(w.found.listed["subscribeUserID"], w.found.listed["unsubscribeUserID"]) {
		return refused(wire.CodeArgs, reasonPresence, presenceText), nil
	}
	asked := slices.DeleteFunc(slices.Clone(f.Conversations), func(id string) bool { return remove[id] })
	req.SendID, req.Data = id.UserID, g.setServerFields(out, id, row, &w.found, sender)
	return decision{request: req, conversations: asked, verdict: verdict}, nil
}

// describeFrame sets the fields of f that rate limits, rules and the audit log use.
func describeFrame(f *Frame, row *Request, seen *found) {
	f.Users, f.ContentBytes = seen.users, seen.contentBytes
	f.Conversations = slices.Compact(slices.Sorted(slices.Values(seen.conversations)))
	if row.ID != idSend {
		return
	}
	f.ClientMsgID, f.RecvID, f.GroupID = seen.texts["clientMsgID"], seen.texts["recvID"], seen.texts["groupID"]
	f.SessionType = int32(seen.numbers["sessionType"]) //nolint:gosec // a number over the bound is refused
	f.ContentType = int32(seen.numbers["contentType"]) //nolint:gosec // a number over the bound is refused
	history, set := seen.options["history"]
	f.OnlineOnly = set && !history
}

// checkRequest makes the checks that need no other server.
func checkRequest(id Identity, req frame.Request, row *Request, f *Frame, seen *found, bad error) (decision, bool) {
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
		return refused(wire.CodeNoPermission, reasonIdentity, "the request names another user as its sender: name yourself"), false
	case errors.As(bad, &arg):
		return refused(wire.CodeArgs, arg.reason, arg.text), false
	}
	if row.ID != idSend {
		return decision{}, true
	}
	return checkMessage(f)
}

// checkMessage checks session type, content type and target of a message to send.
func checkMessage(f *Frame) (decision, bool) {
	if _, ok := SessionTypes[f.SessionType]; !ok {
		return refused(wire.CodeNoPermission, reasonSession, "a client may send to a user (sessionType 1) or to a group (3) only"), false
	}
	if _, ok := ContentTypes[f.ContentType]; !ok {
		return refused(wire.CodeNoPermission, reasonContent, "a client may not send this contentType: see docs/websocket.md"), false
	}
	single := f.SessionType == sessionSingle
	if single && (f.RecvID == "" || f.GroupID != "") || !single && (f.GroupID == "" || f.RecvID != "") {
		return refused(wire.CodeArgs, reasonTarget, "name recvID for sessionType 1, groupID for 3, and not the other"), false
	}
	if !single {
		f.Conversations = []string{groupPrefix + f.GroupID}
	}
	return decision{}, true
}

// checkConversations checks which conversations of a request are the user's. It removes others from a pull. It refuses a pull in which
// none is left, a message to a group of which the user is no member, a message to a user who does not exist, and every request that it
// cannot check now.
func (g *frameChecker) checkConversations(ctx context.Context, id Identity, state *socketState, f *Frame) (
	remove map[string]bool, o decision,
	ok bool) {
	conversations := f.Conversations
	if f.ID == idSend && f.SessionType == sessionSingle && !state.remembers(f.RecvID) {
		conversations = []string{pair(id.UserID, f.RecvID)}
	}
	for asked := range slices.Chunk(conversations, MaxConversationsPerCall) {
		answers, err := g.members.Member(ctx, id, asked)
		if over, ok := sessionOver(err); ok {
			return nil, refused(over.ErrCode, reasonOver, over.Text), false
		}
		if err != nil || len(answers) != len(asked) {
			o = refused(wire.CodeInternal, reasonDown, "it cannot be checked now whether the conversation is yours: try again")
			o.verdict = VerdictFailed
			return nil, o, false
		}
		for i, is := range answers {
			if is {
				continue
			}
			if remove == nil {
				remove = map[string]bool{}
			}
			remove[asked[i]] = true
			f.Foreign = append(f.Foreign, asked[i])
		}
	}
	switch {
	case len(remove) == 0:
		if f.RecvID != "" {
			state.remember(f.RecvID)
		}
		return nil, decision{}, true
	case f.ID == idSend && f.SessionType == sessionSingle:
		return nil, refused(wire.CodeNoPermission, reasonNoPeer, "there is no such user to send to"), false
	case f.ID == idSend:
		return nil, refused(wire.CodeNoPermission, reasonNotMember, "you are not a member of this group"), false
	case len(remove) == len(f.Conversations):
		return nil, refused(wire.CodeNoPermission, reasonForeign, "you are not a participant of this conversation"), false
	}
	return remove, decision{}, true
}

// setServerFields adds the fields that a client may not set. find returns the sender of a message.
func (g *frameChecker) setServerFields(out []byte, id Identity, row *Request, seen *found, find func() Sender) []byte {
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
	sender := find()
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

// findSender returns the function that returns the sender of a message. If the conversation must be checked too, it requests the profile
// meanwhile, so that the message waits for the slower answer, and not for both.
func (g *frameChecker) findSender(ctx context.Context, id Identity, state *socketState, f *Frame) func() Sender {
	if g.profiles == nil || f.ID != idSend || f.SessionType == sessionSingle && state.remembers(f.RecvID) {
		return func() Sender { return g.sender(ctx, id, f.GroupID) }
	}
	// A refused message does not wait for the profile. The request ends at the deadline of the message, and not with the refusal: to cancel
	// it would cost the connection to the backend.
	later, cancel := context.WithoutCancel(ctx), func() {}
	if deadline, ok := ctx.Deadline(); ok {
		later, cancel = context.WithDeadline(later, deadline)
	}
	answer, groupID := make(chan Sender, 1), f.GroupID
	go func() {
		defer cancel()
		answer <- g.sender(later, id, groupID)
	}()
	return func() Sender {
		select {
		case s := <-answer:
			return s
		case <-ctx.Done():
			return Sender{}
		}
	}
}

// sender returns the profile that other users see. On an error it is empty: the receivers' SDKs request the profile themselves.
func (g *frameChecker) sender(ctx context.Context, id Identity, groupID string) Sender {
	if g.profiles == nil {
		return Sender{}
	}
	s, err := g.profiles.Sender(ctx, id, groupID)
	if err != nil {
		return Sender{}
	}
	return Sender{strings.ToValidUTF8(s.Nickname, ""), strings.ToValidUTF8(s.FaceURL, "")}
}

// bounded cuts a text to at most most bytes, between two characters.
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
	return protowire.AppendVarint(protowire.AppendTag(out, num, protowire.VarintType),
		uint64(v)) //nolint:gosec // protobuf encodes negative numbers like this
}
