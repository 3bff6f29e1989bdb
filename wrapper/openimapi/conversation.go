package openimapi

import "strings"

// A conversation's id says who is in it (OpenIM's pkg/msgprocessor/conversation.go and pkg/util/conversationutil):
//
//	si_<a>_<b>   two users talk; the ids are sorted by bytes
//	sn_<a>_<b>   a notification account writes to a user; sorted the same way
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

	maxConversationIDBytes = 512
	// maxPairs bounds the readings of one id that are looked at; an id with more of them is nobody's.
	maxPairs = 32
)

// pair is two users, in the order in which OpenIM writes them.
type pair struct{ first, second string }

// claim is what must be asked before a user may be called a member of a conversation.
type claim struct {
	// refused: no question can make him a member.
	refused bool
	// group he must be a member of; empty when he is one of the pair.
	group string
	// rivals are other pairs that the same id stands for. If both users of one of them exist, the conversation may be
	// theirs, and is nobody's for us.
	rivals []pair
}

// claimOf reads an id as seen by one user.
func claimOf(userID, conversationID string) claim {
	no := claim{refused: true}
	if userID == "" || len(conversationID) > maxConversationIDBytes || strings.ContainsFunc(conversationID, isControl) {
		return no
	}
	switch {
	case strings.HasPrefix(conversationID, prefixGroup):
		if group := conversationID[len(prefixGroup):]; group != "" {
			return claim{group: group}
		}
	case strings.HasPrefix(conversationID, prefixSingle):
		return claimOfPair(userID, conversationID[len(prefixSingle):])
	case strings.HasPrefix(conversationID, prefixNotification):
		return claimOfPair(userID, conversationID[len(prefixNotification):])
	case strings.HasPrefix(conversationID, prefixNotify):
		rest := conversationID[len(prefixNotify):]
		if rest == "" {
			return no
		}
		if c := claimOfPair(userID, rest); !c.refused {
			return c
		}
		// A group whose id could be that of two users must not give its members what the two are told.
		rivals, ok := pairsBut(userID, rest)
		if !ok {
			return no
		}
		return claim{group: rest, rivals: rivals}
	}
	return no
}

// claimOfPair wants the user to be one of the two.
func claimOfPair(userID, both string) claim {
	other, isSecond := strings.CutSuffix(both, "_"+userID)
	mine := isSecond && other != "" && other <= userID
	if other, isFirst := strings.CutPrefix(both, userID+"_"); isFirst && other != "" && userID <= other {
		mine = true
	}
	if !mine {
		return claim{refused: true}
	}
	rivals, ok := pairsBut(userID, both)
	if !ok {
		return claim{refused: true}
	}
	return claim{rivals: rivals}
}

// pairsBut is every way to read a text as two sorted user ids neither of which is userID. ok is false when there are too many.
func pairsBut(userID, both string) (pairs []pair, ok bool) {
	for i := range len(both) {
		if both[i] != '_' {
			continue
		}
		p := pair{both[:i], both[i+1:]}
		if p.first == "" || p.second == "" || p.first > p.second || p.first == userID || p.second == userID {
			continue
		}
		if pairs = append(pairs, p); len(pairs) > maxPairs {
			return nil, false
		}
	}
	return pairs, true
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
