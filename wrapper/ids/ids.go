package ids

import (
	"crypto/rand"
	"strings"
)

// Bounds in bytes. OpenIM itself sets none.
const (
	// MaxBytes is the longest user or group id.
	MaxBytes = 128
	// MaxConversationBytes is the longest conversation id: two user ids and what joins them.
	MaxConversationBytes = 2*MaxBytes + 8
)

const (
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits  = "0123456789"
	// joins are the other characters of ids. The dot is not among them: in a pattern it stands for any character, so that si_a.b would
	// be answered with what si_aXb says.
	joins = "_-@:"
)

// Rule says in words what Legal wants.
const Rule = "letters, digits, _ - @ and : alone"

// Legal reports whether a text may be the id of a user or group that exists: 1 to MaxBytes letters, digits, _ - @ and :.
func Legal(id string) bool {
	return id != "" && len(id) <= MaxBytes && holdsOnly(id, letters+digits+joins)
}

// LegalConversation reports whether a text may be a conversation's id: the same characters. What kind of conversation it is says
// wire.ParseConversation.
func LegalConversation(id string) bool {
	return id != "" && len(id) <= MaxConversationBytes && holdsOnly(id, letters+digits+joins)
}

// LegalNewUser reports whether a user may be registered under an id: the rule of OpenIM's own registration.
func LegalNewUser(id string) bool {
	return id != "" && len(id) <= MaxBytes && holdsOnly(id, letters+digits+"_")
}

// LegalNewGroup reports whether an administrator may create a group under an id: letters, digits and hyphens. With an underscore n_<group>
// could be the notification queue of two users. Users do not choose the ids of groups.
func LegalNewGroup(id string) bool {
	return id != "" && len(id) <= MaxBytes && holdsOnly(id, letters+digits+"-")
}

// holdsOnly compares bytes: a text of more than ASCII holds bytes that no set of characters here has.
func holdsOnly(id, legal string) bool {
	for i := range len(id) {
		if strings.IndexByte(legal, id[i]) < 0 {
			return false
		}
	}
	return true
}

// RandomBytes returns n random bytes for one of the wrapper's own identifiers, for a key, or for a value that stands for an unknown one.
func RandomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the process instead
	return b
}
