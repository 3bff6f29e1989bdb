package websocket

import (
	"context"
	"slices"

	"github.com/coder/websocket"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// handleReply passes on replies to the client's requests and pushes to the user. It drops frames that no SDK knows, because the Go SDK
// would stop reading. last reports that the socket ends with this frame.
func (s *socket) handleReply(data []byte) (last bool) {
	rep, err := s.enc.ReplyHead(data)
	if err != nil {
		s.end(endUnread)
		return true
	}
	name, known := replyName(rep.ID)
	if !known {
		s.relay.metrics.pushed.WithLabelValues("unknown").Inc()
		s.countDropped("unknown", dropUnknown, 1)
		return false
	}
	s.relay.metrics.pushed.WithLabelValues(name).Inc()
	var then *closeReason
	var pass bool
	switch {
	case rep.ID == idKick:
		data, pass, then = s.enc.EncodeReply(cleaned(rep)), true, &endKicked
	case rep.ID == idPush:
		data, pass = s.filterPush(name, rep, data)
	case rep.ID == idPresence && rep.MsgIncr == "": // a presence notification
		pass = rep.ErrCode == wire.CodeOK
	default:
		data, pass = s.filterAnswer(name, rep, data)
	}
	if !pass {
		return false
	}
	if rep.ID == idLogout {
		then = &endLogout
	}
	s.out.push(websocket.MessageBinary, complete(s.enc, rep, data), then)
	return then != nil
}

// cleaned returns the head of a reply, with a cleaned text and without data.
func cleaned(rep frame.Reply) frame.Reply {
	rep.ErrMsg, rep.Data = wire.CleanText(rep.ErrMsg), nil
	return rep
}

// filterPush checks a message that was pushed to the user.
func (s *socket) filterPush(name string, head frame.Reply, data []byte) ([]byte, bool) {
	rep, err := s.enc.DecodePushed(data)
	if err != nil || head.ErrCode != wire.CodeOK {
		s.countDropped(name, dropUnreadable, 1)
		return nil, false
	}
	v := filter{user: s.id.UserID, layout: layouts[idPush], allowed: func(string) bool { return true }}
	if rep.Data, err = v.data(rep.Data); err != nil {
		s.countDropped(name, dropUnreadable, 1)
		return nil, false
	}
	s.countReview(name, &v)
	if v.changed {
		data = s.enc.EncodeReply(rep)
	}
	return data, v.dropped[dropOther] == 0 // a push contains one message
}

// filterAnswer checks the reply to a request, and sets the client's own identifiers.
func (s *socket) filterAnswer(name string, head frame.Reply, data []byte) ([]byte, bool) {
	q, ok := s.pending.take(head)
	if !ok {
		s.countDropped(name, dropUnasked, 1)
		return nil, false
	}
	own := frame.Reply{ID: head.ID, MsgIncr: q.incr, OperationID: q.operationID}
	own.ErrCode, own.ErrMsg = head.ErrCode, wire.CleanText(head.ErrMsg)
	if head.ErrCode != wire.CodeOK {
		return s.enc.EncodeReply(own), true
	}
	l, looked := layouts[head.ID]
	renamed := q.incr != head.MsgIncr || q.operationID != head.OperationID || own.ErrMsg != head.ErrMsg
	if !looked && !renamed {
		return data, true
	}
	rep, err := s.enc.DecodePushed(data)
	if err == nil && looked {
		v := filter{user: s.id.UserID, layout: l}
		if v.allowed, err = s.allowedConversations(q, rep.Data, l); err == nil {
			rep.Data, err = v.data(rep.Data)
		}
		s.countReview(name, &v)
		if err == nil && !v.changed && !renamed {
			return data, true
		}
	}
	if err != nil {
		s.countDropped(name, dropUnreadable, 1)
		own.ErrCode, own.ErrMsg = wire.CodeInternal, "the reply could not be decoded: try again, and request less at a time"
		return s.enc.EncodeReply(own), true
	}
	own.Data = rep.Data
	return s.enc.EncodeReply(own), true
}

// allowedConversations returns which conversations a reply may name: those that were requested or, for a request that names none and
// means all, those that are the user's now.
func (s *socket) allowedConversations(q pendingRequest, data []byte, l layout) (func(string) bool, error) {
	if q.id != idNewest && (q.id != idRead || len(q.conversations) > 0) {
		return func(conversation string) bool { return slices.Contains(q.conversations, conversation) }, nil
	}
	named, err := conversationsIn(data, l)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.relay.o.timing.decide)
	defer cancel()
	visible, err := s.relay.frames.visible(ctx, s.id, named)
	return func(conversation string) bool { return visible[conversation] }, err
}

func (s *socket) countReview(name string, v *filter) {
	for reason, n := range v.dropped {
		s.countDropped(name, reason, n)
	}
}

// countDropped counts data of OpenIM's that is not passed on.
func (s *socket) countDropped(name, reason string, n int) {
	s.relay.metrics.dropped.WithLabelValues(name, reason).Add(float64(n))
}

func replyName(id int32) (string, bool) {
	switch id {
	case idPush:
		return "WSPushMsg", true
	case idKick:
		return "WSKickOnlineMsg", true
	}
	if row := Find(id); row != nil {
		return row.Name, true
	}
	return "", false
}
