package backend

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// satisfy looks up the needs of a call and removes from its lists what is not the caller's. It reports nothing as true when the caller
// has no conversation to name: OpenIM would read an empty list as all conversations that it ever kept.
func (u *users) satisfy(
	ctx context.Context, p auth.Principal, body map[string]any, needs []routes.Need, rec *httpserver.Record,
) (nothing bool, _ *wire.Failure) {
	for _, need := range needs {
		if need.Kind == routes.NeedAll {
			own, err := u.ownConversations(ctx, p.Subject)
			if err != nil {
				return false, refusedBy(err, rec)
			}
			nothing = nothing || !need.Fill(body, own)
			continue
		}
		allowed, err := u.lookUp(ctx, p, need)
		if err != nil {
			return false, refusedBy(err, rec)
		}
		if !need.Trim(body, allowed) {
			f := unsatisfied(need)
			return false, &f
		}
	}
	return nothing, nil
}

// unsatisfied returns the failure for a field of which no entry is left.
func unsatisfied(need routes.Need) wire.Failure {
	switch need.Kind {
	case routes.NeedSeq:
		return wire.BadRequest.Because(fmt.Sprintf("%s %s of the conversation", need.Field, need.Rule()))
	case routes.NeedLive:
		return wire.Forbidden.Because(fmt.Sprintf("%s names no group, or a dismissed one: name another", need.Field))
	case routes.NeedPeer:
		return wire.Forbidden.Because(fmt.Sprintf("%s %s: leave it out, or be their friend first", need.Field, need.Rule()))
	}
	return wire.Forbidden.Because(fmt.Sprintf("%s names nothing of yours: it %s", need.Field, need.Rule()))
}

func refusedBy(err error, rec *httpserver.Record) *wire.Failure {
	f := userFailure(err)
	rec.Refuse(f, "membership: "+err.Error())
	return &f
}

// maxOwnConversations bounds how many conversations of a user are checked together.
const maxOwnConversations = 10_000

// ownConversations returns the conversations that OpenIM keeps for a user and that the user is part of now.
func (u *users) ownConversations(ctx context.Context, userID string) ([]string, error) {
	all, err := u.Members.All(ctx, userID)
	if err != nil {
		return nil, err
	}
	if len(all) > maxOwnConversations {
		text := fmt.Sprintf("you have more than %d conversations: name the conversations of the request", maxOwnConversations)
		return nil, wire.BadRequest.Because(text)
	}
	member, err := u.membershipOf(ctx, userID, all)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(id string) bool { return !member[id] }), nil
}

// membershipOf checks the user's membership in many conversations.
func (u *users) membershipOf(ctx context.Context, userID string, ids []string) (map[string]bool, error) {
	member := make(map[string]bool, len(ids))
	for some := range slices.Chunk(ids, maxConversations) {
		answers, err := u.Members.Conversations(ctx, userID, some)
		if err != nil {
			return nil, err
		}
		for i, yes := range answers {
			member[some[i]] = yes
		}
	}
	return member, nil
}

func (u *users) lookUp(ctx context.Context, p auth.Principal, need routes.Need) (map[string]bool, error) {
	allowed := make(map[string]bool, len(need.IDs))
	switch need.Kind {
	case routes.NeedLive:
		live, err := u.Members.Live(ctx, need.IDs)
		for i, yes := range live {
			allowed[need.IDs[i]] = yes
		}
		return allowed, err
	case routes.NeedSeq:
		newest, err := u.Members.NewestSeq(ctx, p.Subject, need.IDs[0])
		return map[string]bool{need.IDs[0]: need.Seq <= newest}, err
	case routes.NeedPeer:
		takes, err := u.Members.TakesSettings(ctx, need.Peer, p.Subject, need.IDs[0])
		return map[string]bool{need.IDs[0]: takes}, err
	}
	if need.Kind == routes.NeedManager && len(need.IDs) > openimclient.MaxGroups {
		return nil, wire.BadRequest.Because(fmt.Sprintf("%s names too many at once: send less at a time", need.Field))
	}
	if need.Kind == routes.NeedManager {
		roles, err := u.Members.Groups(ctx, p.Subject, need.IDs)
		for i, role := range roles {
			allowed[need.IDs[i]] = role == openimclient.Leader
		}
		return allowed, err
	}
	conversations := make([]string, len(need.IDs))
	for i, id := range need.IDs {
		conversations[i] = id
		if need.Kind == routes.NeedMember {
			conversations[i] = string(wire.GroupChat) + "_" + id
		}
	}
	member, err := u.Members.Conversations(ctx, p.Subject, conversations)
	for i, yes := range member {
		allowed[need.IDs[i]] = yes
	}
	if err == nil && need.Kind == routes.NeedKept {
		err = u.lookUpKept(ctx, p, need.IDs, allowed)
	}
	return allowed, err
}

// pathOwnConversations returns those of the named conversations that are in a user's list.
const pathOwnConversations = "/conversation/get_conversations"

// lookUpKept allows groups' conversations that the caller has left if OpenIM still keeps them for the caller. They got into the list
// while the caller was in the group: the route table lets nobody add others.
func (u *users) lookUpKept(ctx context.Context, p auth.Principal, ids []string, allowed map[string]bool) error {
	var missing []string
	for _, id := range ids {
		if c, ok := wire.ParseConversation(id); ok && c.Kind == wire.GroupChat && !allowed[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	body, err := json.Marshal(map[string]any{"ownerUserID": p.Subject, "conversationIDs": missing})
	if err != nil {
		return err
	}
	request := openimclient.Request{Path: pathOwnConversations, Body: body, RequestID: wire.NewRequestID(), Repeatable: true}
	reply, err := u.callOnce(ctx, p, request)
	if err != nil {
		return err
	}
	var data struct {
		Conversations []struct {
			OwnerUserID    string `json:"ownerUserID"`
			ConversationID string `json:"conversationID"`
		} `json:"conversations"`
	}
	if reply.ErrCode != wire.CodeOK || len(reply.Data) == 0 {
		return nil // nothing is kept
	}
	if err := json.Unmarshal(reply.Data, &data); err != nil {
		return fmt.Errorf("%w: the list of conversations", openimclient.ErrBadReply)
	}
	for _, c := range data.Conversations {
		if c.OwnerUserID == p.Subject && slices.Contains(missing, c.ConversationID) {
			allowed[c.ConversationID] = true
		}
	}
	return nil
}
