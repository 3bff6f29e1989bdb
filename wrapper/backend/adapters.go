package backend

import (
	"context"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
)

// userTokens adapts the token vault to Tokens.
type userTokens struct{ vault tokenVault }

// Token implements Tokens.
func (t userTokens) Token(ctx context.Context, userID string, platformID int32, refused string) (token, hash string, err error) {
	held, err := t.vault.Token(ctx, userID, platformID, refused)
	return held.Value, held.Hash, err
}

// userMembers adapts the OpenIM client to Members.
type userMembers struct{ openim *openimclient.Client }

// Conversations implements Members.
func (m userMembers) Conversations(ctx context.Context, userID string, ids []string) ([]bool, error) {
	return m.openim.MembersOf(ctx, userID, ids)
}

// Groups implements Members.
func (m userMembers) Groups(ctx context.Context, userID string, ids []string) ([]openimclient.GroupRole, error) {
	return m.openim.RolesOf(ctx, userID, ids)
}

// Live implements Members.
func (m userMembers) Live(ctx context.Context, groupIDs []string) ([]bool, error) {
	return m.openim.LiveGroups(ctx, groupIDs)
}

// All implements Members.
func (m userMembers) All(ctx context.Context, userID string) ([]string, error) {
	return m.openim.ConversationsOf(ctx, userID)
}

// NewestSeq implements Members.
func (m userMembers) NewestSeq(ctx context.Context, userID, conversationID string) (int64, error) {
	return m.openim.NewestSeq(ctx, userID, conversationID)
}

// TakesSettings implements Members.
func (m userMembers) TakesSettings(ctx context.Context, userID, from, conversationID string) (bool, error) {
	return m.openim.AcceptsSettings(ctx, userID, from, conversationID)
}
