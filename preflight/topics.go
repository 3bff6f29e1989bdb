package preflight

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// Bounds of NewTopics.
const (
	MaxPartitions  = 1000
	MaxReplication = 10
)

// NewTopics describe topics that are made where they are missing. Without Partitions none is made.
type NewTopics struct {
	// Partitions of each topic. A topic that has fewer is a failure.
	Partitions int32
	// Replication is the number of copies of each partition, 0 for the brokers' default. A topic that has fewer is a failure.
	Replication int16
}

// createTimeout is how long the brokers may take to make topics. It is within the bound of a try.
const createTimeout = 2000 // milliseconds

// controllerOf returns the address of the broker that makes topics, or the given one when the reply does not tell.
func controllerOf(reply *kmsg.MetadataResponse, address string) string {
	for _, b := range reply.Brokers {
		if b.NodeID == reply.ControllerID {
			return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
		}
	}
	return address
}

// create makes topics. Other pods of the stack do the same at the same time, so that a topic that exists is no failure.
func (k kafka) create(ctx, calls context.Context, controller string, names []string) *failure {
	r := kmsg.NewPtrCreateTopicsRequest()
	r.TimeoutMillis = createTimeout
	for _, name := range names {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, k.wanted.Partitions, k.wanted.Replication
		if topic.ReplicationFactor == 0 {
			topic.ReplicationFactor = -1
		}
		r.Topics = append(r.Topics, topic)
	}
	reply, f := request[*kmsg.CreateTopicsResponse](ctx, calls, k, controller, r)
	if f != nil {
		return f
	}
	var worst *failure
	for _, topic := range reply.Topics {
		worst = worse(worst, notMade(kerr.ErrorForCode(topic.ErrorCode)))
	}
	return worst
}

// notMade returns why a topic was not made, nil when it exists now.
func notMade(err error) *failure {
	switch {
	case err == nil, errors.Is(err, kerr.TopicAlreadyExists):
		return nil
	case errors.Is(err, kerr.TopicAuthorizationFailed), errors.Is(err, kerr.ClusterAuthorizationFailed):
		return failed(termination.PermissionDenied, "the user may not make the stack's topics: grant Create on topics with its prefix, "+
			"or make the four topics and write kafka.topics.management: Existing")
	case errors.Is(err, kerr.InvalidReplicationFactor):
		return failed(termination.TopicMissing, "Kafka makes no topic with so many copies: write kafka.topics.replication, "+
			"at most the number of brokers (needed before Kafka 2.4)")
	case errors.Is(err, kerr.InvalidTopicException):
		return failed(termination.TopicMissing, "Kafka refuses the name of a topic: another may differ in '.' and '_' alone: "+
			"create the stack again with another kafka.topics.prefix")
	case errors.Is(err, kerr.InvalidPartitions), errors.Is(err, kerr.PolicyViolation):
		return failed(termination.TopicMissing,
			"a rule of Kafka refuses the topics: write other kafka.topics.partitions and replication, or make the four topics")
	}
	return failed(termination.NoLeader, "Kafka does not make the topics now: check its controller and that its brokers run")
}

// compare returns a failure when a topic has fewer partitions or copies than wanted. More of them are no failure: numbers may be raised
// in Kafka, and a pod that restarts must not fail for it.
func (n NewTopics) compare(reply *kmsg.MetadataResponse) *failure {
	if n.Partitions == 0 {
		return nil
	}
	for _, topic := range reply.Topics {
		if topic.ErrorCode != 0 {
			continue
		}
		if len(topic.Partitions) < int(n.Partitions) {
			return failed(termination.TopicDiffers, "a topic has fewer partitions than kafka.topics.partitions: suspend the stack and add "+
				"partitions in Kafka, or write the smaller number")
		}
		for _, p := range topic.Partitions {
			if len(p.Replicas) < int(n.Replication) {
				return failed(termination.TopicDiffers, "a partition has fewer copies than kafka.topics.replication: reassign its replicas in "+
					"Kafka, or write the smaller number")
			}
		}
	}
	return nil
}
