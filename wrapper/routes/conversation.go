package routes

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// sessionTypes has OpenIM's numbers of the kinds of conversations for which a user has settings.
var sessionTypes = map[wire.ConversationKind]int{wire.SingleChat: 1, wire.OldGroupChat: 2, wire.GroupChat: 3, wire.SystemChat: 4}

// describe checks the members beside a conversation's id. OpenIM trusts the body: it would write another user's settings
// (conversation.userID with isPrivateChat), or skip the check of a dismissed group (conversationType). field is "conversation.userID";
// describe checks its neighbours conversationID, groupID and conversationType too.
func (e *enforcement) describe(field string) error {
	object, _, _ := strings.Cut(field, ".")
	c, _ := e.body[object].(map[string]any)
	if c == nil {
		return malformed("%s must be an object", object)
	}
	id, _ := c["conversationID"].(string)
	parsed, ok := wire.ParseConversation(id)
	kind, known := sessionTypes[parsed.Kind]
	if !ok || !known {
		return malformed("%s.conversationID must be the id of a chat", object)
	}
	peer, group := "", ""
	if gid, isGroup := parsed.Group(); isGroup {
		group = gid
	} else {
		var err error
		if peer, err = e.peer(parsed, object, c); err != nil {
			return err
		}
	}
	for _, want := range []struct{ name, value string }{{"userID", peer}, {"groupID", group}} {
		if got, _ := c[want.name].(string); got != "" && got != want.value {
			return fmt.Errorf("%s.%s must be what the conversation's id says", object, want.name)
		}
		if want.value == "" {
			delete(c, want.name)
			continue
		}
		c[want.name] = want.value
	}
	number := json.Number(strconv.Itoa(kind))
	if got, there := c["conversationType"].(json.Number); there && got != number && got != "0" {
		return fmt.Errorf("%s.conversationType must be what the conversation's id says", object)
	}
	c["conversationType"] = number
	return nil
}

// peer returns the other user of a conversation of two. If the id has two readings, the body must name the user.
func (e *enforcement) peer(parsed wire.Conversation, object string, c map[string]any) (string, error) {
	peers, certain := parsed.Peers(e.caller.UserID)
	named, _ := c["userID"].(string)
	for _, p := range peers {
		if p == named || named == "" && certain {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s.userID and conversationID must be those of a conversation of your own", object)
}
