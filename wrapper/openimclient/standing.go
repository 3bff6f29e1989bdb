package openimclient

import (
	"context"
	"encoding/json"
	"slices"
)

// Further conditions for users' calls. No result is cached, because each decides on a call that changes something.

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

// LiveGroups reports for each group whether it exists and is not dismissed, in the same order.
func (c *Client) LiveGroups(ctx context.Context, groupIDs []string) ([]bool, error) {
	reply, err := c.request(ctx, pathGroupsInfo, map[string]any{"groupIDs": groupIDs}, true)
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
	if ok, err := decodeData(reply, &data); !ok {
		return live, err
	}
	for _, g := range data.GroupInfos {
		for i, id := range groupIDs {
			live[i] = live[i] || g.GroupID == id && g.Status != nil && *g.Status != groupDismissed
		}
	}
	return live, nil
}

// NewestSeq returns the newest sequence number of a conversation that the user may see, 0 if there is none.
func (c *Client) NewestSeq(ctx context.Context, userID, conversationID string) (int64, error) {
	reply, err := c.request(ctx, pathReadAndMaxSeq, map[string]any{"userID": userID, "conversationIDs": []string{conversationID}}, true)
	if err != nil {
		return 0, err
	}
	var data struct {
		Seqs map[string]struct {
			MaxSeq json.Number `json:"maxSeq"`
		} `json:"seqs"`
	}
	if ok, err := decodeData(reply, &data); !ok {
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

// ConversationsOf returns the ids of all conversations that OpenIM has ever stored for a user, including groups that removed the user.
func (c *Client) ConversationsOf(ctx context.Context, userID string) ([]string, error) {
	reply, err := c.request(ctx, pathConversationIDs, map[string]any{"userID": userID, "idHash": 0}, true)
	if err != nil {
		return nil, err
	}
	var data struct {
		ConversationIDs []string `json:"conversationIDs"`
	}
	_, err = decodeData(reply, &data)
	return data.ConversationIDs, err
}

// AcceptsSettings reports whether a user accepts settings of their common conversation from another user. The user does not if they have
// blocked the other user. Otherwise the user does if the conversation is in their list, or if the other user is a friend.
func (c *Client) AcceptsSettings(ctx context.Context, userID, from, conversationID string) (bool, error) {
	blocked, err := c.blocks(ctx, userID, from)
	if err != nil || blocked {
		return false, err
	}
	listed, err := c.listsConversation(ctx, userID, conversationID)
	if err != nil || listed {
		return listed, err
	}
	return c.hasFriend(ctx, userID, from)
}

// blocks reports whether a user has blocked another.
func (c *Client) blocks(ctx context.Context, userID, other string) (bool, error) {
	reply, err := c.request(ctx, pathSpecifiedBlacks, map[string]any{"ownerUserID": userID, "userIDList": []string{other}}, true)
	if err != nil {
		return false, err
	}
	var data struct {
		Blacks []struct {
			OwnerUserID string `json:"ownerUserID"`
		} `json:"blacks"`
		Total int32 `json:"total"`
	}
	// Without data the other user would count as not blocked.
	if err := requireData(reply, &data); err != nil {
		return false, err
	}
	return len(data.Blacks) > 0 || data.Total > 0, nil
}

// listsConversation reports whether a conversation is in a user's list.
func (c *Client) listsConversation(ctx context.Context, userID, conversationID string) (bool, error) {
	reply, err := c.request(ctx, pathGetConversations, map[string]any{"ownerUserID": userID, "conversationIDs": []string{conversationID}},
		true)
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
	if ok, err := decodeData(reply, &data); !ok {
		return false, err
	}
	return slices.Contains(data.Conversations, conversation{userID, conversationID}), nil
}

// hasFriend reports whether a user has another in the list of friends.
func (c *Client) hasFriend(ctx context.Context, userID, other string) (bool, error) {
	reply, err := c.request(ctx, pathIsFriend, map[string]any{"userID1": userID, "userID2": other}, true)
	if err != nil {
		return false, err
	}
	var data struct {
		InUser1Friends bool `json:"inUser1Friends"`
	}
	_, err = decodeData(reply, &data)
	return data.InUser1Friends, err
}
