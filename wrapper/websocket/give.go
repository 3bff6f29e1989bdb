package websocket

import (
	"context"
	"slices"

	"github.com/coder/websocket"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// give passes on what the client asked for and what is theirs. What no SDK knows is left out: the Go SDK would stop reading. last says
// that the socket ends with this frame.
func (s *socket) give(data []byte) (last bool) {
	rep, err := s.enc.ReplyHead(data)
	if err != nil {
		s.end(endUnread)
		return true
	}
	name, known := replyName(rep.ID)
	if !known {
		s.relay.metrics.pushed.WithLabelValues("unknown").Inc()
		s.lost("unknown", dropUnknown, 1)
		return false
	}
	s.relay.metrics.pushed.WithLabelValues(name).Inc()
	var then *ending
	var pass bool
	switch {
	case rep.ID == idKick:
		data, pass, then = s.enc.EncodeReply(cleaned(rep)), true, &endKicked
	case rep.ID == idPush:
		data, pass = s.push(name, rep, data)
	case rep.ID == idPresence && rep.MsgIncr == "": // somebody came or went
		pass = rep.ErrCode == wire.CodeOK
	default:
		data, pass = s.answer(name, rep, data)
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

// cleaned is the head of a reply, with a text that a client may read and without data.
func cleaned(rep frame.Reply) frame.Reply {
	rep.ErrMsg, rep.Data = wire.CleanText(rep.ErrMsg), nil
	return rep
}

// push looks at what somebody sent to the user.
func (s *socket) push(name string, head frame.Reply, data []byte) ([]byte, bool) {
	rep, err := s.enc.DecodePushed(data)
	if err != nil || head.ErrCode != wire.CodeOK {
		s.lost(name, dropUnreadable, 1)
		return nil, false
	}
	v := review{user: s.id.UserID, layout: layouts[idPush], allowed: func(string) bool { return true }}
	if rep.Data, err = v.data(rep.Data); err != nil {
		s.lost(name, dropUnreadable, 1)
		return nil, false
	}
	s.count(name, &v)
	if v.changed {
		data = s.enc.EncodeReply(rep)
	}
	return data, v.dropped[dropOther] == 0 // a push has one message
}

// answer looks at the reply to a request, and gives it the client's own identifiers.
func (s *socket) answer(name string, head frame.Reply, data []byte) ([]byte, bool) {
	q, ok := s.open.take(head)
	if !ok {
		s.lost(name, dropUnasked, 1)
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
		v := review{user: s.id.UserID, layout: l}
		if v.allowed, err = s.mayKnow(q, rep.Data, l); err == nil {
			rep.Data, err = v.data(rep.Data)
		}
		s.count(name, &v)
		if err == nil && !v.changed && !renamed {
			return data, true
		}
	}
	if err != nil {
		s.lost(name, dropUnreadable, 1)
		own.ErrCode, own.ErrMsg = wire.CodeInternal, "the answer could not be read: try again, and ask for less at a time"
		return s.enc.EncodeReply(own), true
	}
	own.Data = rep.Data
	return s.enc.EncodeReply(own), true
}

// mayKnow says which conversations a reply may name: those that were asked for, or, where OpenIM takes none for all, those that
// are the user's now.
func (s *socket) mayKnow(q question, data []byte, l layout) (func(string) bool, error) {
	if q.id != idNewest && (q.id != idRead || len(q.asked) > 0) {
		return func(conversation string) bool { return slices.Contains(q.asked, conversation) }, nil
	}
	named, err := conversationsIn(data, l)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.relay.o.timing.decide)
	defer cancel()
	visible, err := s.relay.guard.visible(ctx, s.id, named)
	return func(conversation string) bool { return visible[conversation] }, err
}

func (s *socket) count(name string, v *review) {
	for reason, n := range v.dropped {
		s.lost(name, reason, n)
	}
}

// lost counts what of OpenIM's is not passed on.
func (s *socket) lost(name, reason string, n int) {
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
