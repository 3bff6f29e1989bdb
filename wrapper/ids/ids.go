package ids

import (
	"crypto/rand"
	"strings"
)

// Lengths in bytes. OpenIM itself has no bounds.
const (
	// MaxBytes is the longest user or group id.
	MaxBytes = 128
	// MaxConversationBytes is the longest conversation id: two user ids and the characters that join them.
	MaxConversationBytes = 2*MaxBytes + 8
)

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
	// joins are the other characters of ids. The dot is missing because a pattern reads it as any character: a query for si_a.b would
	// also return si_aXb.
	joins = "_-@:"
)

// Users of "wrapper check --mode Messages", which sends a message from one to the other. OpenIM cannot delete users, so that they stay.
const (
	CheckSender   = "openimstack_check_a"
	CheckReceiver = "openimstack_check_b"
)

// Reserved reports whether a user id is one of the two of "wrapper check". Nobody logs in as them, and no user's call may name them.
func Reserved(userID string) bool { return userID == CheckSender || userID == CheckReceiver }

// Rule describes Legal in words, for error texts.
const Rule = "letters, digits, _ - @ and : alone"

// Legal reports whether a text may be the id of an existing user or group: 1 to MaxBytes letters, digits, _ - @ and :.
func Legal(id string) bool {
	return id != "" && len(id) <= MaxBytes && holdsOnly(id, letters+digits+joins)
}

// LegalConversation reports whether a text may be a conversation's id, which has the same characters. wire.ParseConversation returns the
// conversation's kind.
func LegalConversation(id string) bool {
	return id != "" && len(id) <= MaxConversationBytes && holdsOnly(id, letters+digits+joins)
}

// LegalNewUser reports whether a user may be registered under an id, by the rule of OpenIM's own registration.
func LegalNewUser(id string) bool {
	return id != "" && len(id) <= MaxBytes && holdsOnly(id, letters+digits+"_")
}

// LegalNewGroup reports whether an administrator may create a group under an id: letters, digits and hyphens. With an underscore,
// n_<group> could be the notification queue of two users. Users do not choose the ids of groups.
func LegalNewGroup(id string) bool {
	return id != "" && len(id) <= MaxBytes && holdsOnly(id, letters+digits+"-")
}

// holdsOnly compares bytes. Text beyond ASCII is refused, because legal holds ASCII characters only.
func holdsOnly(id, legal string) bool {
	for i := range len(id) {
		if strings.IndexByte(legal, id[i]) < 0 {
			return false
		}
	}
	return true
}

// RandomBytes returns n random bytes for an identifier, a key, or a value that stands for an unknown one.
func RandomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}
