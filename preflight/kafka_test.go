package preflight

import (
	"net"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

var testTopics = []string{"chat.toRedis", "chat.toMongo", "chat.toPush", "chat.toOfflinePush"}

func TestKafka(t *testing.T) {
	addressCases(t, func(address string) tryFunc { return kafka{addresses: []string{address}, topics: testTopics}.try })
}

// broker starts a Kafka in this process.
func broker(t *testing.T, o ...kfake.Opt) (*kfake.Cluster, string) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, o...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, c.ListenAddrs()[0]
}

func allow(operations ...kmsg.ACLOperation) []kfake.ACL {
	var all []kfake.ACL
	for _, o := range operations {
		all = append(all, kfake.ACL{Resource: kmsg.ACLResourceTypeTopic, Name: "chat.", Pattern: kmsg.ACLResourcePatternTypePrefixed,
			Operation: o, Allow: true})
	}
	return all
}

func TestKafkaWithUsers(t *testing.T) {
	_, address := broker(t, kfake.SeedTopics(1, testTopics...), kfake.EnableSASL(), kfake.EnableACLs(),
		kfake.Superuser("PLAIN", "admin", "right"),
		kfake.User("PLAIN", "openim", "right", allow(kmsg.ACLOperationRead, kmsg.ACLOperationWrite, kmsg.ACLOperationDescribe)...),
		kfake.User("PLAIN", "reader", "right", allow(kmsg.ACLOperationRead, kmsg.ACLOperationDescribe)...),
		kfake.User("PLAIN", "nothing", "right"))
	as := func(user, password string) tryFunc {
		return kafka{addresses: []string{address}, topics: testTopics, username: user, password: password}.try
	}
	expectWorks(t, as("openim", "right"))
	expectFailure(t, as("openim", "sesame"), termination.AuthenticationFailed, "wrong")
	expectFailure(t, as("nobody", "sesame"), termination.AuthenticationFailed, "wrong")
	expectFailure(t, as("", ""), termination.AuthenticationFailed, "without a login")
	expectFailure(t, as("reader", "right"), termination.PermissionDenied, "Describe, Read and Write")
	expectFailure(t, as("nothing", "right"), termination.PermissionDenied, "Describe, Read and Write")
	expectWorks(t, as("openim", "right"))
}

// TestKafkaRefusals: what a broker answers to a login, by code.
func TestKafkaRefusals(t *testing.T) {
	const handshake, authenticate = 17, 36
	for _, c := range []struct {
		name    string
		key     int16
		code    int16
		reason  termination.StoreReason
		message string
	}{
		{"a wrong password", authenticate, kerr.SaslAuthenticationFailed.Code, termination.AuthenticationFailed, "wrong"},
		{"no PLAIN", handshake, kerr.UnsupportedSaslMechanism.Code, termination.UnsupportedMechanism, "mechanism PLAIN"},
		{"no SASL", handshake, kerr.IllegalSaslState.Code, termination.UnsupportedMechanism, "has no SASL"},
	} {
		t.Run(c.name, func(t *testing.T) {
			broker, address := broker(t, kfake.SeedTopics(1, testTopics...), kfake.EnableSASL(), kfake.Superuser("PLAIN", "openim", "right"))
			try := kafka{addresses: []string{address}, topics: testTopics, username: "openim", password: "right"}.try
			expectWorks(t, try)
			broker.ControlKey(c.key, func(r kmsg.Request) (kmsg.Response, error, bool) {
				broker.KeepControl()
				reply := r.ResponseKind()
				switch reply := reply.(type) {
				case *kmsg.SASLHandshakeResponse:
					reply.ErrorCode = c.code
				case *kmsg.SASLAuthenticateResponse:
					reply.ErrorCode, reply.ErrorMessage = c.code, kmsg.StringPtr("sesame")
				}
				return reply, nil, true
			})
			expectFailure(t, try, c.reason, c.message)
		})
	}
}

func TestKafkaWithoutLeader(t *testing.T) {
	broker, address := broker(t, kfake.SeedTopics(1, testTopics...))
	try := kafka{addresses: []string{address}, topics: testTopics}.try
	expectWorks(t, try)
	broker.ControlKey(3, func(r kmsg.Request) (kmsg.Response, error, bool) {
		reply := r.ResponseKind().(*kmsg.MetadataResponse)
		topic, partition := kmsg.NewMetadataResponseTopic(), kmsg.NewMetadataResponseTopicPartition()
		topic.Topic, partition.Leader, partition.ErrorCode = kmsg.StringPtr(testTopics[0]), -1, kerr.LeaderNotAvailable.Code
		topic.Partitions = append(topic.Partitions, partition)
		reply.Topics = append(reply.Topics, topic)
		return reply, nil, true
	})
	expectFailure(t, try, termination.NoLeader, "no leader")
	expectWorks(t, try)
}

func TestKafkaStopsAndComesBack(t *testing.T) {
	cluster, address := broker(t, kfake.SeedTopics(1, testTopics...))
	try := kafka{addresses: []string{refused(t), address}, topics: testTopics}.try
	expectWorks(t, try)
	cluster.Close()
	expectFailure(t, try, termination.Unreachable, "refused")
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	_, _ = broker(t, kfake.SeedTopics(1, testTopics...), kfake.Ports(n))
	expectWorks(t, try)
}

func TestKafkaTopicsMissing(t *testing.T) {
	g := NewWithT(t)
	for _, setting := range []string{"true", "false"} {
		c, address := broker(t, kfake.AllowAutoTopicCreation(), kfake.SeedTopics(1, testTopics[:3]...),
			kfake.BrokerConfigs(map[string]string{"auto.create.topics.enable": setting}))
		try := kafka{addresses: []string{address}, topics: testTopics}.try
		if setting == "true" {
			g.Expect(expectWorks(t, try)).To(ConsistOf(ContainSubstring("a topic of the stack is missing")))
		} else {
			expectFailure(t, try, termination.TopicMissing, "makes none by itself")
		}
		g.Expect(c.TopicInfo(testTopics[3])).To(BeNil(), "the check made the topic")
	}
}

// TestKafkaAdvertisesAnotherAddress: the seed answers, and leads to where nobody is.
func TestKafkaAdvertisesAnotherAddress(t *testing.T) {
	listener := func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		host, port, _ := net.SplitHostPort(refused(t))
		n, _ := strconv.Atoi(port)
		return &elsewhere{l, net.TCPAddr{IP: net.ParseIP(host), Port: n}}, nil
	}
	var inner *elsewhere
	_, _ = broker(t, kfake.SeedTopics(1, testTopics...), kfake.ListenFn(func(network, address string) (net.Listener, error) {
		l, err := listener(network, address)
		if err == nil {
			inner = l.(*elsewhere)
		}
		return l, err
	}))
	expectFailure(t, kafka{addresses: []string{inner.Listener.Addr().String()}, topics: testTopics}.try,
		termination.Unreachable, "advertises")
}

// elsewhere is a listener that tells another address than its own.
type elsewhere struct {
	net.Listener
	told net.TCPAddr
}

func (l *elsewhere) Addr() net.Addr { return &l.told }
