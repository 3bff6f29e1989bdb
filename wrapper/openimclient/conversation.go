package openimclient

import (
	"strings"

	"github.com/openimstack/openim-operator/wrapper/ids"
)

// The id of a conversation names its participants (OpenIM's pkg/msgprocessor/conversation.go and pkg/util/conversationutil):
//
//	si_<a>_<b>   a chat of two users; the ids are sorted by bytes
//	sn_<a>_<b>   notices of a notification account to a user; sorted the same way, but SDKs also write <account>_<user>
//	sg_<group>   a chat of a group
//	n_<a>_<b>    notifications about si_ or sn_; n_<user>_<user> is for notifications about the user's own account
//	n_<group>    notifications about a group
//
// User ids may contain "_". Then one id can mean several pairs of users, and OpenIM uses one conversation for all of them.
const (
	prefixSingle       = "si_"
	prefixGroup        = "sg_"
	prefixNotify       = "n_"
	prefixNotification = "sn_"

	// maxPairs limits the readings of one id. An id with more readings is refused.
	maxPairs = 32
)

// pair is two users in the order of the id.
type pair struct{ first, second string }

// claim holds the conditions under which a user is a participant of a conversation.
type claim struct {
	// refused: the user cannot be a participant.
	refused bool
	// group is the group of which the user must be a member. Empty: the user is one of a pair.
	group string
	// peers are the possible other users of the pair. One of them must exist: for a conversation with a user who does not exist,
	// OpenIM would keep keys in Redis for a year.
	peers []string
	// rivals are other pairs that the same id can mean. If both users of one of them exist, the conversation may be theirs, so that the
	// claim is refused.
	rivals []pair
}

// claimOf parses an id for one user.
func claimOf(userID, conversationID string) claim {
	no := claim{refused: true}
	if !ids.Legal(userID) || !ids.LegalConversation(conversationID) {
		return no
	}
	switch {
	case strings.HasPrefix(conversationID, prefixGroup):
		if group := conversationID[len(prefixGroup):]; group != "" {
			return claim{group: group}
		}
	case strings.HasPrefix(conversationID, prefixSingle):
		return claimOfPair(userID, conversationID[len(prefixSingle):], true)
	case strings.HasPrefix(conversationID, prefixNotification):
		return claimOfPair(userID, conversationID[len(prefixNotification):], false)
	case strings.HasPrefix(conversationID, prefixNotify):
		rest := conversationID[len(prefixNotify):]
		if rest == "" {
			return no
		}
		if c := claimOfPair(userID, rest, true); !c.refused {
			return c
		}
		// A group's id can equal the ids of two users. Its members must not receive the notifications of the two users.
		rivals, ok := pairsBut(userID, rest, true)
		if !ok {
			return no
		}
		return claim{group: rest, rivals: rivals}
	}
	return no
}

// claimOfPair returns the claim for a pair of which the user is one. sorted requires OpenIM's order.
func claimOfPair(userID, both string, sorted bool) claim {
	var peers []string
	if other, isSecond := strings.CutSuffix(both, "_"+userID); isSecond && other != "" && (!sorted || other <= userID) {
		peers = append(peers, other)
	}
	if other, isFirst := strings.CutPrefix(both, userID+"_"); isFirst && other != "" && (!sorted || userID <= other) {
		peers = append(peers, other)
	}
	rivals, ok := pairsBut(userID, both, sorted)
	if len(peers) == 0 || !ok {
		return claim{refused: true}
	}
	return claim{peers: peers, rivals: rivals}
}

// pairsBut returns every reading of a text as two user ids of which neither is userID. ok is false if there are too many.
func pairsBut(userID, both string, sorted bool) (pairs []pair, ok bool) {
	for i := range len(both) {
		if both[i] != '_' {
			continue
		}
		p := pair{both[:i], both[i+1:]}
		if p.first == "" || p.second == "" || sorted && p.first > p.second || p.first == userID || p.second == userID {
			continue
		}
		if pairs = append(pairs, p); len(pairs) > maxPairs {
			return nil, false
		}
	}
	return pairs, true
}
