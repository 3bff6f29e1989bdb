package backend

import (
	"context"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
)

// userTokens gives the users' door the custody in the form that it asks for.
type userTokens struct{ custody tokens }

// Token gives a user's OpenIM token and its hash. refused is the hash of one that OpenIM has just refused, or empty.
func (t userTokens) Token(ctx context.Context, userID string, platformID int32, refused string) (token, hash string, err error) {
	held, err := t.custody.Token(ctx, userID, platformID, refused)
	return held.Value, held.Hash, err
}

// userMembers tells the users' door who belongs where.
type userMembers struct{ openim *openimclient.Client }

// Conversations says of each conversation whether the user is part of it now.
func (m userMembers) Conversations(ctx context.Context, userID string, ids []string) ([]bool, error) {
	return m.openim.MembersOf(ctx, userID, ids)
}

// Groups says what the user is in each group: 0 nothing, 1 a member, 2 its owner or one of its administrators.
func (m userMembers) Groups(ctx context.Context, userID string, ids []string) ([]openimclient.GroupRole, error) {
	return m.openim.RolesOf(ctx, userID, ids)
}

// Live says which groups exist and are not dismissed.
func (m userMembers) Live(ctx context.Context, groupIDs []string) ([]bool, error) {
	return m.openim.LiveGroups(ctx, groupIDs)
}

// All are the ids of all conversations that OpenIM ever kept for a user.
func (m userMembers) All(ctx context.Context, userID string) ([]string, error) {
	return m.openim.ConversationsOf(ctx, userID)
}

// NewestSeq is the newest sequence number of a conversation.
func (m userMembers) NewestSeq(ctx context.Context, userID, conversationID string) (int64, error) {
	return m.openim.NewestSeq(ctx, userID, conversationID)
}

// TakesSettings says whether a user takes from another what that one sets for both of them.
func (m userMembers) TakesSettings(ctx context.Context, userID, from, conversationID string) (bool, error) {
	return m.openim.TakesSettings(ctx, userID, from, conversationID)
}
