package dependencies

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Resolve returns the facts of a stack. The Secrets that the operator generates must exist already. Problems are in the order of the spec.
// The error joins the reads that failed and may be retried (ReadError). Each reference resolves by itself: a problem or a failed read of
// one leaves the facts of the others valid, and a store's place on the network does not depend on its password.
func Resolve(ctx context.Context, reader client.Reader, stack *v1alpha1.OpenIMStack) (openim.Facts, []Problem, error) {
	return Access{}.Resolve(ctx, reader, stack)
}

func newResolver(ctx context.Context, reader client.Reader, stack *v1alpha1.OpenIMStack, access Access) *resolver {
	return &resolver{ctx: ctx, reader: reader, stack: stack, access: access, facts: openim.Facts{
		PlatformUserIDs:  access.PlatformUserIDs,
		Endpoints:        map[openim.Dependency][]openim.Endpoint{},
		Credentials:      map[openim.Dependency][]corev1.EnvVar{},
		CredentialHashes: map[openim.Dependency]string{},
		Claims:           ClaimsOfSpec(stack),
	}}
}

func (r *resolver) resolve() (openim.Facts, []Problem, error) {
	var failures []error
	for _, s := range r.steps() {
		r.readers = s.readers
		if err := s.run(); err != nil {
			failures = append(failures, &ReadError{Components: s.readers, Err: err})
		}
	}
	return r.facts, r.problems, errors.Join(failures...)
}

// step resolves one reference, or a few that the same components read.
type step struct {
	// readers are the components that cannot be built without the reference. Empty for all components.
	readers []string
	run     func() error
}

func (r *resolver) steps() []step {
	all, roles := []string(nil), []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend}
	steps := []step{
		{all, r.version}, {all, r.digestKey}, {[]string{string(openim.RPCAuth), v1alpha1.ComponentBackend}, r.shareSecret},
		{roles, r.assertionKey},
		{r.readersOfKafka(), r.kafka}, {readersOf(openim.Redis), r.redis}, {readersOf(openim.MongoDB), r.mongodb},
		{readersOf(openim.Etcd), r.etcd}, {readersOf(openim.ObjectStorage), r.objectStorage},
		{[]string{string(openim.Push)}, r.push},
	}
	return slices.Concat(steps, r.webhookSteps(), r.trustSteps(), r.sizeSteps(), r.wrapperSteps())
}

// readersOf returns the processes that connect to one of OpenIM's stores.
func readersOf(d openim.Dependency) []string {
	var names []string
	for _, p := range openim.Processes() {
		if slices.Contains(p.Dependencies, d) {
			names = append(names, string(p.Name))
		}
	}
	return names
}

// readersOfKafka returns the processes that cannot be built without Kafka. When its addresses are known only from a resourceRef, these are
// all with a kafka.yml: openim-rpc-user has one, and never connects.
func (r *resolver) readersOfKafka() []string {
	names := readersOf(openim.Kafka)
	if r.stack.Spec.Dependencies.Kafka.ResourceRef == nil {
		return names
	}
	for _, p := range openim.Processes() {
		if name := string(p.Name); p.Reads(openim.KafkaFile) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

type resolver struct {
	ctx      context.Context
	reader   client.Reader
	stack    *v1alpha1.OpenIMStack
	access   Access
	facts    openim.Facts
	problems []Problem
	// readers of the reference that is being resolved.
	readers      []string
	shareSecrets ShareSecrets
	// hashKey is the digest key: a hash keyed with it reveals nothing to users who may read pods but not Secrets.
	hashKey []byte
	// copies are the data of the Secrets that the operator will make for resourceRefs, by name, with the names of their sources.
	copies map[string]*corev1.Secret
	// consented is the namespace of the resourceRef whose addresses are being placed. Its consent is for the Services there, too.
	consented string
}

// invalid adds a problem that only a change of the spec or of a Secret's content solves.
func (r *resolver) invalid(reason, field, format string, args ...any) {
	r.add(Problem{Reason: reason, Field: field, Message: fmt.Sprintf(format, args...), Stalled: true})
}

// missing adds a problem of an object that may still be created.
func (r *resolver) missing(reason, field, format string, args ...any) {
	r.add(Problem{Reason: reason, Field: field, Message: fmt.Sprintf(format, args...)})
}

// add adds a problem of the readers of the present reference. OpenIM and the wrapper may have the same reference, which is one problem.
func (r *resolver) add(p Problem) {
	p.Components = r.readers
	i := slices.IndexFunc(r.problems, func(known Problem) bool { return known.Field == p.Field && known.Message == p.Message })
	if i < 0 {
		r.problems = append(r.problems, p)
		return
	}
	known := &r.problems[i]
	if len(known.Components) == 0 || len(p.Components) == 0 {
		known.Components = nil
		return
	}
	known.Components = slices.Concat(known.Components, p.Components)
}

func (r *resolver) version() error {
	release, err := openim.ParseRelease(r.stack.Spec.Version)
	if err != nil {
		r.invalid(v1alpha1.ReasonUnsupportedVersion, "spec.version", "%v", err)
	}
	r.facts.Settings.Release = release
	r.facts.Settings.EtcdRoot = "openim." + r.stack.Namespace + "." + r.stack.Name
	return nil
}

func (r *resolver) kafka() error {
	spec := r.stack.Spec.Dependencies.Kafka
	const field = "spec.dependencies.kafka"
	r.facts.Settings.TopicPrefix, r.facts.Settings.NewTopics = topicPrefix(r.stack), newTopics(spec.Topics)
	at := openim.Location{Party: openim.PartyKafka}
	if ref := spec.ResourceRef; ref != nil {
		found, err := r.follow(field, openim.Kafka, ref)
		at.Source = sourceOf(ref)
		if err != nil || found == nil {
			r.unknown(at.Party, at.Source, spec.Peers)
			return err
		}
		spec.Brokers, spec.TLS, spec.CredentialsRef = found.addresses, found.tls, found.login
		r.claim(openim.Kafka, field, spec.Brokers, "topics "+topicPrefix(r.stack))
		defer r.consent(ref)()
	}
	r.facts.Settings.Brokers, r.facts.Settings.KafkaTLS = hostPorts(spec.Brokers), kafkaTLS(spec.TLS)
	files, digest, unread := r.storeFiles(field, spec.ResourceRef, spec.TLS, false)
	r.setFiles(openim.Kafka, files)
	if m := spec.SASLMechanism; m != "" && m != v1alpha1.SASLPlain {
		defer r.keepPlace(openim.PartyKafka)
		r.invalid(v1alpha1.ReasonUnsupportedByRelease, field+".saslMechanism", "OpenIM %s cannot log in to Kafka by %s, and neither can any "+
			"supported release: write PLAIN, with tls, or prove OpenIM by tls.clientCertificate and remove credentialsRef",
			r.stack.Spec.Version, m)
	}
	var unplaced error
	r.facts.Endpoints[openim.Kafka], unplaced = r.places(
		at, fieldOf(field, spec.ResourceRef, "brokers"), field+".peers", r.facts.Settings.Brokers, peers{spec.Peers, spec.PeerPort})
	err := errors.Join(
		unread, unplaced,
		r.credentials(openim.Kafka, fieldOf(field, spec.ResourceRef, "credentialsRef"), spec.CredentialsRef, []credential{
			{key: v1alpha1.KeyUsername, env: openim.EnvName(openim.KafkaFile, openim.KeyUsername)},
			{key: v1alpha1.KeyPassword, env: openim.EnvName(openim.KafkaFile, openim.KeyPassword)},
		}),
	)
	r.addHash(openim.Kafka, digest)
	return err
}

// newTopics returns the topics that the stack makes, nil when it makes none.
func newTopics(spec *v1alpha1.Topics) *openim.NewTopics {
	if spec == nil || spec.Management != v1alpha1.TopicsCreate {
		return nil
	}
	partitions, _ := openim.PartitionsOf(spec)
	return &openim.NewTopics{Partitions: partitions, Replication: ptr.Deref(spec.Replication, 0)}
}

// kafkaTLS returns the settings of TLS to Kafka, nil without TLS.
func kafkaTLS(spec *v1alpha1.StoreTLS) *openim.KafkaTLS {
	if spec == nil {
		return nil
	}
	return &openim.KafkaTLS{
		Authority: spec.CASecretRef != nil, Certificate: spec.ClientCertificate != nil,
		Unverified: spec.Verification == v1alpha1.TLSVerificationNone,
	}
}

func (r *resolver) redis() error {
	spec := r.stack.Spec.Dependencies.Redis
	const field = "spec.dependencies.redis"
	r.facts.Settings.RedisDatabase, r.facts.Settings.RedisCluster = ptr.Deref(spec.Database, 0), spec.Mode == v1alpha1.RedisCluster
	at := openim.Location{Party: openim.PartyRedis}
	if ref := spec.ResourceRef; ref != nil {
		found, err := r.follow(field, openim.Redis, ref)
		at.Source = sourceOf(ref)
		if err != nil || found == nil {
			r.unknown(at.Party, at.Source, spec.Peers)
			return err
		}
		spec.Addresses, spec.TLS, spec.CredentialsRef = found.addresses, redisTLS(found.tls), found.login
		r.claim(openim.Redis, field, spec.Addresses, fmt.Sprintf("database %d", ptr.Deref(spec.Database, 0)))
		defer r.consent(ref)()
	}
	r.facts.Settings.RedisAddresses = hostPorts(spec.Addresses)
	if spec.Mode == v1alpha1.RedisSentinel {
		defer r.keepPlace(openim.PartyRedis)
		r.invalid(v1alpha1.ReasonUnsupportedByRelease, field+".mode", "OpenIM %s does not speak to Redis Sentinel, and neither does any "+
			"supported release: write the address of a Service or proxy that follows the primary, and remove mode", r.stack.Spec.Version)
	}
	if spec.TLS != nil {
		defer r.keepPlace(openim.PartyRedis)
		r.invalid(v1alpha1.ReasonUnsupportedByRelease, fieldOf(field, spec.ResourceRef, "tls"), "OpenIM %s does not speak TLS to Redis, and "+
			"neither does any supported release: remove tls, or the certificates of the binding, and let only the stack's pods reach that Redis, "+
			"or encrypt between the nodes by the network",
			r.stack.Spec.Version)
	}
	var unplaced error
	r.facts.Endpoints[openim.Redis], unplaced = r.places(
		at, fieldOf(field, spec.ResourceRef, "addresses"), field+".peers", r.facts.Settings.RedisAddresses, peers{spec.Peers, spec.PeerPort})
	return errors.Join(
		unplaced,
		r.credentials(openim.Redis, fieldOf(field, spec.ResourceRef, "credentialsRef"), spec.CredentialsRef, []credential{
			{key: v1alpha1.KeyUsername, env: openim.EnvName(openim.RedisFile, openim.KeyUsername), optional: true},
			{key: v1alpha1.KeyPassword, env: openim.EnvName(openim.RedisFile, openim.KeyPassword)},
		}),
	)
}

func (r *resolver) etcd() error {
	spec := r.stack.Spec.Dependencies.Etcd
	const field = "spec.dependencies.etcd"
	r.facts.Settings.EtcdEndpoints = hostPorts(spec.Endpoints)
	var digest string
	var unread error
	if spec.TLS != nil {
		r.facts.Settings.EtcdTLS = true
		var files []openim.StoreFile
		files, digest, unread = r.storeFiles(field, nil, &v1alpha1.StoreTLS{CASecretRef: spec.TLS.CASecretRef}, false)
		r.setFiles(openim.Etcd, files)
	}
	err := errors.Join(
		unread,
		r.locate(openim.Etcd, field+".endpoints", field+".peers", r.facts.Settings.EtcdEndpoints, peers{spec.Peers, spec.PeerPort}),
		r.credentials(openim.Etcd, field+".credentialsRef", spec.CredentialsRef, []credential{
			{key: v1alpha1.KeyUsername, env: openim.EnvName(openim.DiscoveryFile, openim.KeyEtcdUsername)},
			{key: v1alpha1.KeyPassword, env: openim.EnvName(openim.DiscoveryFile, openim.KeyEtcdPassword)},
		}),
	)
	r.addHash(openim.Etcd, digest)
	return err
}

// locate resolves the addresses of one of OpenIM's stores to endpoints.
func (r *resolver) locate(d openim.Dependency, field, peersField string, addresses []string, given peers) (err error) {
	r.facts.Endpoints[d], err = r.places(openim.Location{Party: openim.Party(d)}, field, peersField, addresses, given)
	return err
}

// places resolves the addresses of a party to endpoints, and adds its location to the facts.
func (r *resolver) places(at openim.Location, field, peersField string, addresses []string, given peers) (
	[]openim.Endpoint, error,
) {
	at.Peers = openim.NetworkPeers(r.stack.Namespace, given.list)
	var found []openim.Endpoint
	var failures []error
	for _, text := range addresses {
		address, err := r.address(field, peersField, text, given)
		failures = append(failures, err)
		at.Addresses = append(at.Addresses, address)
		found = merge(found, address.Endpoints)
	}
	r.facts.Locations = append(r.facts.Locations, at)
	return found, errors.Join(failures...)
}

// address resolves one address. It is not resolved when there is a problem or an error.
func (r *resolver) address(field, peersField, text string, given peers) (openim.Address, error) {
	endpoints, err := r.place(field, peersField, text, given)
	peers := openim.NetworkPeers(r.stack.Namespace, given.list)
	return openim.Address{Text: text, Peers: peers, Resolved: err == nil && len(endpoints) > 0, Endpoints: endpoints}, err
}

// keepPlace marks the addresses of a party as not resolved: its place on the network stays where it was accepted last.
func (r *resolver) keepPlace(party openim.Party) {
	for i, at := range r.facts.Locations {
		if at.Party == party {
			for j := range at.Addresses {
				r.facts.Locations[i].Addresses[j].Discard()
			}
		}
	}
}

// unknown adds the location of a party whose addresses are in a Secret that cannot be read.
func (r *resolver) unknown(party openim.Party, source string, peers []v1alpha1.Peer) {
	r.facts.Locations = append(r.facts.Locations, openim.Location{
		Party: party, Source: source, Unknown: true, Peers: openim.NetworkPeers(r.stack.Namespace, peers),
	})
}

// merge adds the endpoints that known does not hold yet: several brokers behind one Service have one endpoint.
func merge(known, added []openim.Endpoint) []openim.Endpoint {
	for _, e := range added {
		duplicate := false
		for _, k := range known {
			duplicate = duplicate || equalEndpoints(k, e)
		}
		if !duplicate {
			known = append(known, e)
		}
	}
	return known
}

func hostPorts(addresses []v1alpha1.Address) []string {
	out := make([]string, 0, len(addresses))
	for _, a := range addresses {
		out = append(out, string(a))
	}
	return out
}
