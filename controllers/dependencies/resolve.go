package dependencies

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Resolve returns the facts of a stack. The Secrets that the operator generates must exist already. Problems are in the order of the spec.
// The error reports reads that failed and may be retried.
func Resolve(ctx context.Context, reader client.Reader, stack *v1alpha1.OpenIMStack) (openim.Facts, []Problem, error) {
	r := &resolver{ctx: ctx, reader: reader, stack: stack, facts: openim.Facts{
		Endpoints:        map[openim.Dependency][]openim.Endpoint{},
		Credentials:      map[openim.Dependency][]corev1.EnvVar{},
		CredentialHashes: map[openim.Dependency]string{},
		Claims:           ClaimsOfSpec(stack),
	}}
	steps := []func() error{
		r.version, r.shareSecret, r.assertionKey, r.kafka, r.redis, r.mongodb, r.etcd, r.objectStorage, r.wrapper,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return openim.Facts{}, nil, err
		}
	}
	return r.facts, r.problems, nil
}

type resolver struct {
	ctx      context.Context
	reader   client.Reader
	stack    *v1alpha1.OpenIMStack
	facts    openim.Facts
	problems []Problem
	// hashKey is the share.secret: a hash keyed with it reveals nothing to users who may read pods but not Secrets.
	hashKey []byte
}

// invalid adds a problem that only a change of the spec or of a Secret's content solves.
func (r *resolver) invalid(reason, field, format string, args ...any) {
	r.problems = append(r.problems, Problem{Reason: reason, Field: field, Message: fmt.Sprintf(format, args...), Stalled: true})
}

// missing adds a problem of an object that may still be created.
func (r *resolver) missing(reason, field, format string, args ...any) {
	r.problems = append(r.problems, Problem{Reason: reason, Field: field, Message: fmt.Sprintf(format, args...)})
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
	r.facts.Settings.Brokers = hostPorts(spec.Brokers)
	r.facts.Settings.TopicPrefix = topicPrefix(r.stack)
	if err := r.locate(openim.Kafka, field+".brokers", field+".peers", r.facts.Settings.Brokers, spec.Peers); err != nil {
		return err
	}
	return r.credentials(openim.Kafka, field+".credentialsRef", spec.CredentialsRef, []credential{
		{key: v1alpha1.KeyUsername, env: openim.EnvName(openim.KafkaFile, openim.KeyUsername)},
		{key: v1alpha1.KeyPassword, env: openim.EnvName(openim.KafkaFile, openim.KeyPassword)},
	})
}

func (r *resolver) redis() error {
	spec := r.stack.Spec.Dependencies.Redis
	const field = "spec.dependencies.redis"
	r.facts.Settings.RedisAddresses, r.facts.Settings.RedisDatabase = hostPorts(spec.Addresses), ptr.Deref(spec.Database, 0)
	if err := r.locate(openim.Redis, field+".addresses", field+".peers", r.facts.Settings.RedisAddresses, spec.Peers); err != nil {
		return err
	}
	return r.credentials(openim.Redis, field+".credentialsRef", spec.CredentialsRef, []credential{
		{key: v1alpha1.KeyUsername, env: openim.EnvName(openim.RedisFile, openim.KeyUsername), optional: true},
		{key: v1alpha1.KeyPassword, env: openim.EnvName(openim.RedisFile, openim.KeyPassword)},
	})
}

func (r *resolver) etcd() error {
	spec := r.stack.Spec.Dependencies.Etcd
	const field = "spec.dependencies.etcd"
	r.facts.Settings.EtcdEndpoints = hostPorts(spec.Endpoints)
	if err := r.locate(openim.Etcd, field+".endpoints", field+".peers", r.facts.Settings.EtcdEndpoints, spec.Peers); err != nil {
		return err
	}
	return r.credentials(openim.Etcd, field+".credentialsRef", spec.CredentialsRef, []credential{
		{key: v1alpha1.KeyUsername, env: openim.EnvName(openim.DiscoveryFile, openim.KeyEtcdUsername)},
		{key: v1alpha1.KeyPassword, env: openim.EnvName(openim.DiscoveryFile, openim.KeyEtcdPassword)},
	})
}

func (r *resolver) objectStorage() error {
	spec := r.stack.Spec.Dependencies.ObjectStorage
	if spec == nil {
		return nil
	}
	const field = "spec.dependencies.objectStorage"
	r.facts.Settings.ObjectStorage = &openim.ObjectStorageSettings{
		InternalAddress: string(spec.MinIO.InternalAddress), ExternalAddress: spec.MinIO.ExternalAddress, Bucket: bucket(spec),
	}
	addresses := []string{string(spec.MinIO.InternalAddress)}
	if err := r.locate(openim.ObjectStorage, field+".minio.internalAddress", field+".peers", addresses, spec.Peers); err != nil {
		return err
	}
	return r.credentials(openim.ObjectStorage, field+".minio.credentialsRef", &spec.MinIO.CredentialsRef, []credential{
		{key: v1alpha1.KeyAccessKeyID, env: openim.EnvName(openim.MinIOFile, openim.KeyAccessKeyID)},
		{key: v1alpha1.KeySecretAccessKey, env: openim.EnvName(openim.MinIOFile, openim.KeySecretAccessKey)},
	})
}

// locate resolves the addresses of one of OpenIM's stores to endpoints.
func (r *resolver) locate(d openim.Dependency, field, peersField string, addresses []string, peers []v1alpha1.Peer) (err error) {
	r.facts.Endpoints[d], err = r.places(field, peersField, addresses, peers)
	return err
}

// places resolves addresses to endpoints.
func (r *resolver) places(field, peersField string, addresses []string, peers []v1alpha1.Peer) ([]openim.Endpoint, error) {
	var found []openim.Endpoint
	for _, address := range addresses {
		place, err := r.place(field, peersField, address, openim.NetworkPeers(r.stack.Namespace, peers))
		if err != nil {
			return nil, err
		}
		found = merge(found, place)
	}
	return found, nil
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
