package openim

import (
	"crypto/sha256"
	"fmt"
)

// databaseBytes is the most that MongoDB takes for the name of a database.
const databaseBytes = 63

// DefaultDatabase is the name of a stack's database in MongoDB. No two stacks of a cluster have the same one: names of namespaces and
// stacks hold no '_', and what is too long is cut and told apart by a hash. MongoDB does not take dots. Example: openim_im_chat
func DefaultDatabase(namespace, stack string) string {
	name := "openim_" + namespace + "_" + stack
	if len(name) <= databaseBytes {
		return name
	}
	sum := sha256.Sum256([]byte(namespace + "/" + stack))
	const most = 18 // bytes of each name that stay: openim_ and three '_' with 16 digits leave room for twice as many
	return fmt.Sprintf("openim_%s_%s_%x", namespace[:min(len(namespace), most)], stack[:min(len(stack), most)], sum[:8])
}

// DefaultTopicPrefix is what stands before the names of a stack's topics and consumer groups in Kafka. Example: im.chat.
func DefaultTopicPrefix(namespace, stack string) string { return namespace + "." + stack + "." }
