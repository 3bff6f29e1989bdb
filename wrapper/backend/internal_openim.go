package backend

import (
	"context"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// Calls for sockets. Each is made for the user of its proof.

func (l *internalAPI) token(ctx context.Context, call *internalCall, q internalapi.TokenRequest) (internalapi.Token, error) {
	by := call.caller
	switch {
	case !legalUser(by.Subject) || by.Subject == l.adminUserID || ids.Reserved(by.Subject):
		return internalapi.Token{}, badUser
	case !legalPlatform(by.PlatformID):
		return internalapi.Token{}, bad("the platform must be 1 to %d", maxPlatform)
	}
	recordUser(call.rec, by.Subject)
	t, err := l.tokens.Token(ctx, by.Subject, by.PlatformID, boundedText(q.Refused))
	if err != nil {
		return internalapi.Token{}, err
	}
	grant, err := l.sessions.Grant(by.session, session.PurposeRealtime)
	return internalapi.Token{Token: t.Value, Hash: t.Hash, Expires: t.Expires, Grant: grant}, err
}

func (l *internalAPI) membership(ctx context.Context, call *internalCall, q internalapi.Membership) (internalapi.Members, error) {
	if len(q.ConversationIDs) > maxConversations {
		return internalapi.Members{}, bad("conversationIDs holds %d: name at most %d", len(q.ConversationIDs), maxConversations)
	}
	recordUser(call.rec, call.caller.Subject)
	member, err := l.openim.MembersOf(ctx, call.caller.Subject, q.ConversationIDs)
	return internalapi.Members{Member: member}, err
}

func (l *internalAPI) sender(ctx context.Context, call *internalCall, q internalapi.SenderOf) (internalapi.Sender, error) {
	if q.GroupID != "" && !legalUser(q.GroupID) {
		return internalapi.Sender{}, badUser
	}
	recordUser(call.rec, call.caller.Subject)
	p, err := l.openim.ProfileOf(ctx, call.caller.Subject, q.GroupID)
	if err == nil && q.GroupID != "" && p.Nickname == "" {
		p, err = l.openim.ProfileOf(ctx, call.caller.Subject, "")
	}
	return internalapi.Sender{Nickname: p.Nickname, FaceURL: p.FaceURL}, err
}
