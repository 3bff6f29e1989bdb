package preflight

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// kafka checks OpenIM's Kafka and the topics of the stack.
type kafka struct {
	addresses          []string
	topics             []string
	wanted             NewTopics
	username, password string
	// tls names the files of an encrypted connection, nil for one without TLS.
	tls *tlsFiles
	// secure is made of these files by try.
	secure *tls.Config
}

// try succeeds when one address leads to the leaders of all topics.
func (k kafka) try(ctx context.Context) ([]string, *failure) {
	if k.tls != nil {
		var f *failure
		if k.secure, f = k.tls.config(); f != nil {
			return nil, f
		}
	}
	warnings := make(chan string, len(k.addresses))
	f := anyOf(ctx, k.addresses, func(ctx context.Context, address string) *failure {
		calls, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		warning, f := k.seed(ctx, calls, address)
		if warning != "" {
			warnings <- warning
		}
		return f
	})
	select {
	case w := <-warnings:
		return []string{w}, f
	default:
		return nil, f
	}
}

// seed asks one broker for the topics, and then their leaders whether they answer: brokers tell their own addresses, which can be wrong.
func (k kafka) seed(ctx, calls context.Context, address string) (warning string, f *failure) {
	reply, f := k.metadata(ctx, calls, address)
	if f != nil {
		return "", f
	}
	leaders, missing, f := judge(reply)
	if f != nil {
		return "", f
	}
	if len(missing) > 0 && k.wanted.Partitions > 0 {
		if f := k.create(ctx, calls, controllerOf(reply, address), missing); f != nil {
			return "", f
		}
		if reply, f = k.metadata(ctx, calls, address); f != nil {
			return "", f
		}
		if leaders, missing, f = judge(reply); f != nil {
			return "", f
		}
		if len(missing) > 0 {
			return "", failed(termination.NoLeader, "a topic was made, and a broker does not know it yet")
		}
	}
	if f := k.wanted.compare(reply); f != nil {
		return "", f
	}
	if len(missing) > 0 {
		if created := k.autoCreation(ctx, calls, address, reply.ControllerID); created == "false" {
			return "", failed(termination.TopicMissing,
				"a topic of the stack is missing, and Kafka makes none by itself: make the four topics that docs/preflight.md names, "+
					"or write kafka.topics.management: Create")
		}
		warning = "kafka: a topic of the stack is missing: OpenIM's first message makes it, if Kafka permits that"
	}
	return warning, anyFailure(calls, leaders, func(address string) *failure {
		_, f := request[*kmsg.ApiVersionsResponse](ctx, calls, k, address, kmsg.NewPtrApiVersionsRequest())
		if f != nil && f.reason == termination.Unreachable {
			return failed(termination.Unreachable,
				"a broker does not answer at the address that Kafka advertises: correct advertised.listeners, or the addresses and peers of the spec")
		}
		return f
	})
}

// anyFailure calls try for all addresses at once and returns the most telling failure.
func anyFailure(ctx context.Context, addresses []string, try func(address string) *failure) *failure {
	results := make(chan *failure, len(addresses))
	for _, address := range addresses {
		go func() { results <- try(address) }()
	}
	var worst *failure
	for range addresses {
		select {
		case f := <-results:
			worst = worse(worst, f)
		case <-ctx.Done():
			return worse(worst, failed(termination.Unreachable, "the brokers do not answer in time: check Kafka and the network"))
		}
	}
	return worst
}

// Operations of Kafka's authorizer, as bits of AuthorizedOperations. The value unknownOperations stands for a broker that tells none.
const (
	operationRead, operationWrite = 3, 4
	unknownOperations             = -1 << 31
)

// metadata asks a broker for the topics of the stack, and makes none.
func (k kafka) metadata(ctx, calls context.Context, address string) (*kmsg.MetadataResponse, *failure) {
	r := kmsg.NewPtrMetadataRequest()
	r.AllowAutoTopicCreation, r.IncludeTopicAuthorizedOperations = false, true
	for _, name := range k.topics {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		r.Topics = append(r.Topics, topic)
	}
	return request[*kmsg.MetadataResponse](ctx, calls, k, address, r)
}

// judge returns the addresses of the topics' leaders, and the names of topics that are missing.
func judge(reply *kmsg.MetadataResponse) (leaders, missing []string, f *failure) {
	brokers := map[int32]string{}
	for _, b := range reply.Brokers {
		brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	seen := map[int32]bool{}
	for _, topic := range reply.Topics {
		switch err := kerr.ErrorForCode(topic.ErrorCode); {
		case errors.Is(err, kerr.UnknownTopicOrPartition):
			if topic.Topic != nil {
				missing = append(missing, *topic.Topic)
			}
			continue
		case errors.Is(err, kerr.TopicAuthorizationFailed):
			return nil, nil, topicDenied()
		case errors.Is(err, kerr.InvalidTopicException):
			return nil, nil, failed(termination.TopicMissing,
				"Kafka refuses the name of a topic: create the stack again with another kafka.topics.prefix")
		case err != nil:
			return nil, nil, noPartitionLeader()
		}
		if allowed := topic.AuthorizedOperations; allowed != unknownOperations && allowed&(1<<operationRead|1<<operationWrite) !=
			1<<operationRead|1<<operationWrite {
			return nil, nil, topicDenied()
		}
		for _, p := range topic.Partitions {
			address, known := brokers[p.Leader]
			if p.Leader < 0 || !known {
				return nil, nil, noPartitionLeader()
			}
			if !seen[p.Leader] && len(leaders) < maxAddresses {
				seen[p.Leader] = true
				leaders = append(leaders, address)
			}
		}
	}
	return leaders, missing, nil
}

func topicDenied() *failure {
	return failed(termination.PermissionDenied,
		"the user may not use the stack's topics: grant Describe, Read and Write on all topics with its prefix")
}

func noPartitionLeader() *failure {
	return failed(termination.NoLeader, "a partition of a topic has no leader: check that the brokers run")
}

// autoCreation returns the broker's setting auto.create.topics.enable, or an empty string when it is not told: nothing but a write would
// find out then.
func (k kafka) autoCreation(ctx, calls context.Context, address string, broker int32) string {
	const setting = "auto.create.topics.enable"
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(broker))
	resource.ConfigNames = []string{setting}
	r := kmsg.NewPtrDescribeConfigsRequest()
	r.Resources = append(r.Resources, resource)
	reply, f := request[*kmsg.DescribeConfigsResponse](ctx, calls, k, address, r)
	if f != nil {
		return ""
	}
	for _, resource := range reply.Resources {
		for _, c := range resource.Configs {
			if c.Name == setting && c.Value != nil {
				return *c.Value
			}
		}
	}
	return ""
}

// maxReplyBytes bounds a reply of a broker.
const maxReplyBytes = 4 << 20

// request sends one request to the broker at an address, over a connection of its own: no library decides which broker answers.
func request[R kmsg.Response](ctx, calls context.Context, k kafka, address string, r kmsg.Request) (reply R, f *failure) {
	o := []kgo.Opt{
		kgo.SeedBrokers(address), kgo.DialTimeout(callTimeout), kgo.RetryTimeout(callTimeout), kgo.RequestRetries(0),
		kgo.RequestTimeoutOverhead(callTimeout), kgo.DisableClientMetrics(),
		kgo.FetchMaxBytes(maxReplyBytes), kgo.BrokerMaxReadBytes(2 * maxReplyBytes),
	}
	if k.secure != nil {
		o = append(o, kgo.DialTLSConfig(k.secure))
	}
	if k.username != "" {
		o = append(o, kgo.SASL(plain.Auth{User: k.username, Pass: k.password}.AsMechanism()))
	}
	spoke := &answered{}
	client, err := kgo.NewClient(append(o, kgo.WithHooks(spoke))...)
	if err != nil {
		return reply, failed(termination.Unreachable, "the address is not valid: write host:port")
	}
	defer client.Close()
	got, err := client.SeedBrokers()[0].Request(calls, r)
	if err != nil {
		return reply, k.failure(ctx, calls, address, spoke.refusesLogins(), err)
	}
	reply, ok := got.(R)
	if !ok {
		return reply, failed(termination.UnexpectedProtocol, "what answers at the address is not Kafka: check address and port")
	}
	return reply, nil
}

// answered is a hook that records whether the server has answered as Kafka does, and whether it has answered the login. A broker answers
// ApiVersions before the login.
type answered struct{ kafka, login atomic.Bool }

// keyAuthenticate is the key of SaslAuthenticate.
const keyAuthenticate = 36

// OnBrokerRead implements kgo.HookBrokerRead.
func (a *answered) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, err error) {
	if err == nil {
		a.kafka.Store(true)
		a.login.Store(a.login.Load() || key == keyAuthenticate)
	}
}

// refusesLogins reports whether a server that closed the connection did so in place of answering a login.
func (a *answered) refusesLogins() bool { return a.kafka.Load() && !a.login.Load() }

// failure returns the failure that an error stands for.
func (k kafka) failure(ctx, calls context.Context, address string, refusesLogins bool, err error) *failure {
	switch {
	case errors.Is(err, kerr.SaslAuthenticationFailed):
		return failed(termination.AuthenticationFailed, "user name or password is wrong: correct the Secret of credentialsRef")
	case errors.Is(err, kerr.UnsupportedSaslMechanism):
		return failed(termination.UnsupportedMechanism,
			"Kafka does not offer the SASL mechanism PLAIN: enable it on the listener that the spec names")
	case errors.Is(err, kerr.IllegalSaslState):
		return failed(termination.UnsupportedMechanism,
			"the listener has no SASL, and the spec names a user: remove credentialsRef, or name another listener")
	case errors.Is(err, kerr.ClusterAuthorizationFailed), errors.Is(err, kerr.TopicAuthorizationFailed):
		return topicDenied()
	}
	timedOut := isTimeout(calls, err)
	if refusesLogins && !timedOut {
		if k.username == "" {
			return failed(termination.AuthenticationFailed, "Kafka closes connections without a login: name a Secret in credentialsRef")
		}
		return failed(termination.AuthenticationFailed,
			"Kafka closes the connection during the login: user name or password is wrong: correct the Secret of credentialsRef")
	}
	return diagnose(ctx, []string{address}, timedOut, k.secure)
}
