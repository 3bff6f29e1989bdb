package preflight

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

func making(address string, partitions int32, replication int16) kafka {
	return kafka{addresses: []string{address}, topics: testTopics, wanted: NewTopics{Partitions: partitions, Replication: replication}}
}

// partitions returns the number of partitions of a topic.
func partitions(c *kfake.Cluster, topic string) (n int) {
	for c.PartitionInfo(topic, int32(n)) != nil {
		n++
	}
	return n
}

func TestMissingTopicsAreMadeOnce(t *testing.T) {
	g := NewWithT(t)
	// The broker would make topics of one partition by itself: none may be made that way.
	c, address := broker(t, kfake.NumBrokers(3), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(1),
		kfake.SeedTopics(24, testTopics[0]))
	var pods sync.WaitGroup
	for range 6 { // pods of several processes start at once
		pods.Go(func() { g.Expect(expectWorks(t, making(address, 24, 3).try)).To(BeEmpty()) })
	}
	pods.Wait()
	for _, name := range testTopics {
		g.Expect(partitions(c, name)).To(Equal(24), name)
	}
	id := c.TopicInfo(testTopics[1]).TopicID
	g.Expect(expectWorks(t, making(address, 24, 3).try)).To(BeEmpty())
	g.Expect(c.TopicInfo(testTopics[1]).TopicID).To(Equal(id), "a topic that exists stays")
	expectWorks(t, making(address, 8, 1).try) // more than the spec asks for
	g.Expect(partitions(c, testTopics[1])).To(Equal(24))
	expectFailure(t, making(address, 25, 0).try, termination.TopicDiffers, "fewer partitions than kafka.topics.partitions")
	expectFailure(t, making(address, 24, 4).try, termination.TopicDiffers, "fewer copies than kafka.topics.replication")
	expectWorks(t, kafka{addresses: []string{address}, topics: testTopics}.try) // management: Existing compares nothing
}

func TestTopicsAreNotMadeWithoutBeingAsked(t *testing.T) {
	g := NewWithT(t)
	c, address := broker(t, kfake.BrokerConfigs(map[string]string{"auto.create.topics.enable": "false"}))
	expectFailure(t, kafka{addresses: []string{address}, topics: testTopics}.try, termination.TopicMissing, "management: Create")
	for _, name := range testTopics {
		g.Expect(c.TopicInfo(name)).To(BeNil())
	}
	expectWorks(t, making(address, 2, 0).try)
	expectWorks(t, kafka{addresses: []string{address}, topics: testTopics}.try)
}

func TestTopicsThatCannotBeMade(t *testing.T) {
	_, one := broker(t)
	expectFailure(t, making(one, 8, 3).try, termination.TopicMissing, "at most the number of brokers")
	expectWorks(t, making(one, 8, 1).try)

	c, users := broker(t, kfake.EnableSASL(), kfake.EnableACLs(), kfake.Superuser("PLAIN", "admin", "right"),
		kfake.User("PLAIN", "openim", "right", allow(kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)...),
		kfake.User("PLAIN", "maker", "right",
			allow(kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe, kmsg.ACLOperationCreate)...))
	as := func(user string) tryFunc {
		k := making(users, 8, 0)
		k.username, k.password = user, "right"
		return k.try
	}
	expectFailure(t, as("openim"), termination.PermissionDenied, "grant Create on topics")
	NewWithT(t).Expect(c.TopicInfo(testTopics[0])).To(BeNil())
	expectWorks(t, as("maker"))
	expectWorks(t, as("openim")) // which needs no such permission for topics that exist
}

// TestWhatKafkaAnswersToNewTopics, by code, and that the topics are made when it answers as usual again.
func TestWhatKafkaAnswersToNewTopics(t *testing.T) {
	const createTopics = 19
	for _, c := range []struct {
		code    *kerr.Error
		reason  termination.StoreReason
		message string
	}{
		{kerr.TopicAuthorizationFailed, termination.PermissionDenied, "grant Create"},
		{kerr.ClusterAuthorizationFailed, termination.PermissionDenied, "grant Create"},
		{kerr.InvalidTopicException, termination.TopicMissing, "another kafka.topics.prefix"},
		{kerr.InvalidPartitions, termination.TopicMissing, "a rule of Kafka"},
		{kerr.PolicyViolation, termination.TopicMissing, "a rule of Kafka"},
		{kerr.NotController, termination.NoLeader, "controller"},
		{kerr.RequestTimedOut, termination.NoLeader, "controller"},
		{kerr.UnknownServerError, termination.NoLeader, "controller"},
		{kerr.TopicAlreadyExists, termination.NoLeader, "does not know it yet"}, // another pod's, of which this broker has not heard
	} {
		t.Run(c.code.Message, func(t *testing.T) {
			g := NewWithT(t)
			broker, address := broker(t)
			try := making(address, 8, 0).try
			var asked []int16
			broker.ControlKey(createTopics, func(r kmsg.Request) (kmsg.Response, error, bool) {
				reply := r.ResponseKind().(*kmsg.CreateTopicsResponse)
				for _, topic := range r.(*kmsg.CreateTopicsRequest).Topics {
					asked = append(asked, topic.ReplicationFactor)
					one := kmsg.NewCreateTopicsResponseTopic()
					one.Topic, one.ErrorCode, one.ErrorMessage = topic.Topic, c.code.Code, kmsg.StringPtr("sesame")
					reply.Topics = append(reply.Topics, one)
				}
				return reply, nil, true // once
			})
			expectFailure(t, try, c.reason, c.message)
			g.Expect(asked).To(Equal(slices.Repeat([]int16{-1}, len(testTopics))), "the brokers' default")
			expectWorks(t, try)
			g.Expect(partitions(broker, testTopics[3])).To(Equal(8))
		})
	}
}

// A broker that is not the controller names the one that is.
func TestTheControllerMakesTopics(t *testing.T) {
	g := NewWithT(t)
	reply := kmsg.NewPtrMetadataResponse()
	g.Expect(controllerOf(reply, "seed:1")).To(Equal("seed:1"))
	for id := range int32(3) {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = id, fmt.Sprintf("b%d", id), 9092
		reply.Brokers = append(reply.Brokers, b)
	}
	reply.ControllerID = 2
	g.Expect(controllerOf(reply, "seed:1")).To(Equal("b2:9092"))
	reply.ControllerID = 7
	g.Expect(controllerOf(reply, "seed:1")).To(Equal("seed:1"))
}
