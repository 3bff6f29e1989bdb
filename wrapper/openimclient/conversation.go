package openimclient

import (
	"strings"

	"github.com/openimstack/openim-operator/wrapper/ids"
)

// A conversation's id says who is in it (OpenIM's pkg/msgprocessor/conversation.go and pkg/util/conversationutil):
//
//	si_<a>_<b>   two users talk; the ids are sorted by bytes
//	sn_<a>_<b>   a notification account writes to a user; sorted the same way, but SDKs also write <account>_<user>
//	sg_<group>   a group talks
//	n_<a>_<b>    what must be told of si_ or sn_; n_<user>_<user> is what a user is told of himself
//	n_<group>    what must be told of a group
//
// User ids may hold "_" themselves. Then one text can stand for several pairs, and for OpenIM all of them share the conversation.
const (
	prefixSingle       = "si_"
	prefixGroup        = "sg_"
	prefixNotify       = "n_"
	prefixNotification = "sn_"

	// maxPairs bounds the readings of one id that are looked at; an id with more of them is nobody's.
	maxPairs = 32
)

// pair is two users, in the order in which OpenIM writes them.
type pair struct{ first, second string }

// claim is what must be asked before a user may be called a member of a conversation.
type claim struct {
	// refused: no question can make him a member.
	refused bool
	// group the user must be a member of; empty when the user is one of the pair.
	group string
	// peers are who may stand beside the user in a pair. One of them must exist: for a conversation with nobody OpenIM would keep
	// keys for a year.
	peers []string
	// rivals are other pairs that the same id stands for. If both users of one of them exist, the conversation may be
	// theirs, and is nobody's for us.
	rivals []pair
}

// claimOf reads an id as seen by one user.
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
		// A group whose id could be that of two users must not give its members what the two are told.
		rivals, ok := pairsBut(userID, rest, true)
		if !ok {
			return no
		}
		return claim{group: rest, rivals: rivals}
	}
	return no
}

// claimOfPair wants the user to be one of the two, in OpenIM's order where there is one.
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

// pairsBut is every way to read a text as two user ids neither of which is userID. ok is false when there are too many.
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
