package openim

import (
	"crypto/sha256"
	"fmt"

	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// databaseBytes is the maximum length of the name of a database in MongoDB.
const databaseBytes = 63

// DefaultDatabase returns the name of a stack's database in MongoDB. The name is unique in a cluster: names of namespaces and stacks
// contain no '_', and a name that is too long is shortened and gets a hash. MongoDB allows no dots. Example: openim_im_chat
func DefaultDatabase(namespace, stack string) string {
	name := "openim_" + namespace + "_" + stack
	if len(name) <= databaseBytes {
		return name
	}
	sum := sha256.Sum256([]byte(namespace + "/" + stack))
	const most = 18 // bytes of each name: openim_, two further '_' and 16 digits leave 38 bytes for the two names
	return fmt.Sprintf("openim_%s_%s_%x", namespace[:min(len(namespace), most)], stack[:min(len(stack), most)], sum[:8])
}

// DefaultPartitions is the number of partitions of each topic that a stack makes.
const DefaultPartitions int32 = 8

// PartitionsOf returns the number of partitions that each topic of a stack has at least. It reports false when others make the topics.
func PartitionsOf(topics *v1alpha1.Topics) (int32, bool) {
	if topics == nil || topics.Management != v1alpha1.TopicsCreate {
		return 0, false
	}
	return ptr.Deref(topics.Partitions, DefaultPartitions), true
}

// DefaultTopicPrefix returns the prefix of the names of a stack's topics and consumer groups in Kafka. Example: im.chat.
func DefaultTopicPrefix(namespace, stack string) string { return namespace + "." + stack + "." }
