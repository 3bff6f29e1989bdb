package backend

import (
	"context"

	"github.com/openimstack/openim-operator/wrapper/link"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// What sockets ask, each for the user of its proof.

func (l *links) token(ctx context.Context, call *asking, q link.TokenRequest) (link.Token, error) {
	by := call.asker
	switch {
	case !legalUser(by.Subject) || by.Subject == l.adminUserID:
		return link.Token{}, badUser
	case !legalPlatform(by.PlatformID):
		return link.Token{}, bad("the platform must be 1 to %d", maxPlatform)
	}
	about(call.rec, by.Subject)
	t, err := l.tokens.Token(ctx, by.Subject, by.PlatformID, boundedText(q.Refused))
	if err != nil {
		return link.Token{}, err
	}
	grant, err := l.sessions.Grant(by.session, session.PurposeRealtime)
	return link.Token{Token: t.Value, Hash: t.Hash, Expires: t.Expires, Grant: grant}, err
}

func (l *links) membership(ctx context.Context, call *asking, q link.Membership) (link.Members, error) {
	if len(q.ConversationIDs) > maxConversations {
		return link.Members{}, bad("conversationIDs holds %d: ask about at most %d", len(q.ConversationIDs), maxConversations)
	}
	about(call.rec, call.asker.Subject)
	member, err := l.openim.MembersOf(ctx, call.asker.Subject, q.ConversationIDs)
	return link.Members{Member: member}, err
}

func (l *links) sender(ctx context.Context, call *asking, q link.SenderOf) (link.Sender, error) {
	if q.GroupID != "" && !legalUser(q.GroupID) {
		return link.Sender{}, badUser
	}
	about(call.rec, call.asker.Subject)
	p, err := l.openim.ProfileOf(ctx, call.asker.Subject, q.GroupID)
	if err == nil && q.GroupID != "" && p.Nickname == "" {
		p, err = l.openim.ProfileOf(ctx, call.asker.Subject, "")
	}
	return link.Sender{Nickname: p.Nickname, FaceURL: p.FaceURL}, err
}
