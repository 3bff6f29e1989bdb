package openimclient

import (
	"context"
	"encoding/json"
	"slices"
)

// What must be known beside a membership before a user's call may go on. Nothing here is remembered: each answer decides on a call that
// changes something.

const (
	pathGroupsInfo       = "/group/get_groups_info"
	pathSpecifiedBlacks  = "/friend/get_specified_blacks"
	pathIsFriend         = "/friend/is_friend"
	pathGetConversations = "/conversation/get_conversations"
	pathConversationIDs  = "/conversation/get_full_conversation_ids"
	pathReadAndMaxSeq    = "/msg/get_conversations_has_read_and_max_seq"

	// groupDismissed is OpenIM's constant.GroupStatusDismissed.
	groupDismissed = 2
)

// LiveGroups says of each group whether it exists and is not dismissed, in the same order.
func (c *Client) LiveGroups(ctx context.Context, groupIDs []string) ([]bool, error) {
	reply, err := c.ask(ctx, pathGroupsInfo, map[string]any{"groupIDs": groupIDs}, true)
	if err != nil {
		return nil, err
	}
	var data struct {
		GroupInfos []struct {
			GroupID string `json:"groupID"`
			Status  *int32 `json:"status"`
		} `json:"groupInfos"`
	}
	live := make([]bool, len(groupIDs))
	if ok, err := readAnswer(reply, &data); !ok {
		return live, err
	}
	for _, g := range data.GroupInfos {
		for i, id := range groupIDs {
			live[i] = live[i] || g.GroupID == id && g.Status != nil && *g.Status != groupDismissed
		}
	}
	return live, nil
}

// NewestSeq is the newest sequence number of a conversation as far as a user may know it, 0 when there is none.
func (c *Client) NewestSeq(ctx context.Context, userID, conversationID string) (int64, error) {
	reply, err := c.ask(ctx, pathReadAndMaxSeq, map[string]any{"userID": userID, "conversationIDs": []string{conversationID}}, true)
	if err != nil {
		return 0, err
	}
	var data struct {
		Seqs map[string]struct {
			MaxSeq json.Number `json:"maxSeq"`
		} `json:"seqs"`
	}
	if ok, err := readAnswer(reply, &data); !ok {
		return 0, err
	}
	newest := data.Seqs[conversationID].MaxSeq
	if newest == "" {
		return 0, nil
	}
	seq, err := newest.Int64()
	if err != nil {
		return 0, ErrBadReply
	}
	return seq, nil
}

// ConversationsOf are the ids of all conversations that OpenIM ever kept for a user, those of groups that put them out among them.
func (c *Client) ConversationsOf(ctx context.Context, userID string) ([]string, error) {
	reply, err := c.ask(ctx, pathConversationIDs, map[string]any{"userID": userID, "idHash": 0}, true)
	if err != nil {
		return nil, err
	}
	var data struct {
		ConversationIDs []string `json:"conversationIDs"`
	}
	_, err = readAnswer(reply, &data)
	return data.ConversationIDs, err
}

// TakesSettings says whether a user takes from another what that one sets for both of them in their conversation: never from whom
// they have blocked, and else from a friend, or where the conversation is in their own list.
func (c *Client) TakesSettings(ctx context.Context, userID, from, conversationID string) (bool, error) {
	blocked, err := c.blocks(ctx, userID, from)
	if err != nil || blocked {
		return false, err
	}
	kept, err := c.keeps(ctx, userID, conversationID)
	if err != nil || kept {
		return kept, err
	}
	return c.hasFriend(ctx, userID, from)
}

func (c *Client) blocks(ctx context.Context, userID, other string) (bool, error) {
	reply, err := c.ask(ctx, pathSpecifiedBlacks, map[string]any{"ownerUserID": userID, "userIDList": []string{other}}, true)
	if err != nil {
		return false, err
	}
	var data struct {
		Blacks []struct {
			OwnerUserID string `json:"ownerUserID"`
		} `json:"blacks"`
		Total int32 `json:"total"`
	}
	// Without a usable answer they would be taken for not blocked.
	if err := mustAnswer(reply, &data); err != nil {
		return false, err
	}
	return len(data.Blacks) > 0 || data.Total > 0, nil
}

func (c *Client) keeps(ctx context.Context, userID, conversationID string) (bool, error) {
	reply, err := c.ask(ctx, pathGetConversations, map[string]any{"ownerUserID": userID, "conversationIDs": []string{conversationID}}, true)
	if err != nil {
		return false, err
	}
	type conversation struct {
		OwnerUserID    string `json:"ownerUserID"`
		ConversationID string `json:"conversationID"`
	}
	var data struct {
		Conversations []conversation `json:"conversations"`
	}
	if ok, err := readAnswer(reply, &data); !ok {
		return false, err
	}
	return slices.Contains(data.Conversations, conversation{userID, conversationID}), nil
}

func (c *Client) hasFriend(ctx context.Context, userID, other string) (bool, error) {
	reply, err := c.ask(ctx, pathIsFriend, map[string]any{"userID1": userID, "userID2": other}, true)
	if err != nil {
		return false, err
	}
	var data struct {
		InUser1Friends bool `json:"inUser1Friends"`
	}
	_, err = readAnswer(reply, &data)
	return data.InUser1Friends, err
}
