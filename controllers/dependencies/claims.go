package dependencies

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/bucketurl"
	"github.com/openimstack/openim-operator/openim"
)

// ClaimsOfSpec returns the parts of stores that a stack must not share, as far as the spec names them. Connection strings are in Secrets,
// and their claims are added when they are resolved.
func ClaimsOfSpec(stack *v1alpha1.OpenIMStack) []openim.Claim {
	c := claims{namespace: stack.Namespace}
	d, w := stack.Spec.Dependencies, stack.Spec.Wrapper
	c.add(openim.Kafka, "spec.dependencies.kafka.brokers", hostPorts(d.Kafka.Brokers), "topics "+topicPrefix(stack))
	number := fmt.Sprintf("database %d", ptr.Deref(d.Redis.Database, 0))
	c.add(openim.Redis, "spec.dependencies.redis.addresses", hostPorts(d.Redis.Addresses), number)
	c.add(openim.MongoDB, "spec.dependencies.mongodb.addresses", hostPorts(d.MongoDB.Addresses), "database "+database(stack, d.MongoDB))
	c.addObjectStorage(d.ObjectStorage)
	if w.Auth.Users == nil {
		return c.all
	}
	if w.Redis != nil {
		c.add(openim.WrapperRedis, "spec.wrapper.redis.addresses", hostPorts(w.Redis.Addresses), "")
	}
	if w.MongoDB != nil {
		c.add(openim.MongoDB, "spec.wrapper.mongodb.addresses", hostPorts(w.MongoDB.Addresses), "database "+database(stack, *w.MongoDB))
	}
	return c.all
}

// claims collects the claims of a stack, each once.
type claims struct {
	namespace string
	all       []openim.Claim
}

// add adds a claim to a part of a store, for each address of the store.
func (c *claims) add(store openim.Dependency, field string, addresses []string, within string) {
	for _, address := range addresses {
		claim := openim.Claim{Store: store, Address: canonical(address, c.namespace), Within: within, Field: field}
		if !slices.ContainsFunc(c.all, func(known openim.Claim) bool { return known.String() == claim.String() }) {
			c.all = append(c.all, claim)
		}
	}
}

// addObjectStorage adds the claim to a bucket. The URL of COS names its bucket in the host.
func (c *claims) addObjectStorage(spec *v1alpha1.ObjectStorage) {
	settings, _, kind := openim.ObjectStorageOf(spec)
	if settings == nil {
		return
	}
	field, address, bucket := "spec.dependencies.objectStorage."+kind, settings.InternalAddress, settings.Bucket
	switch settings.Enable() {
	case openim.StorageMinIO:
		field += ".internalAddress"
	case openim.StorageAWS, openim.StorageCOS, openim.StorageOSS, openim.StorageKodo:
		u, err := url.Parse(settings.URL())
		if err != nil {
			return // the schema of the CRD excludes it
		}
		address, bucket = hostPortOf(u), cmp.Or(bucket, u.Hostname())
	}
	c.add(openim.ObjectStorage, field, []string{address}, "bucket "+bucket)
	// The same bucket under other names: where clients are sent, and that of all endpoints of a cloud. Clients' own machines are many.
	if u, err := url.Parse(settings.PublicURL()); err == nil && u.Hostname() != "" && !isLoopback(u.Hostname()) {
		c.add(openim.ObjectStorage, field, []string{hostPortOf(u)}, "bucket "+bucket)
	}
	c.addGlobal(field, address, bucket)
}

// isLoopback reports whether a host is the machine of whoever asks.
func isLoopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost") // RFC 6761
}

// addGlobal adds the claim to a bucket of a cloud, under the name that it has at all of the cloud's endpoints.
func (c *claims) addGlobal(field, address, bucket string) {
	host, _, err := splitAddress(address)
	if err != nil {
		return // an invalid address is a problem of its own
	}
	if strings.EqualFold(host, bucket) {
		bucket = "" // the URL of COS
	}
	if service, name, ok := bucketurl.Global(host, bucket); ok {
		c.add(openim.ObjectStorage, field, []string{net.JoinHostPort(service, "443")}, "bucket "+name)
	}
}

// canonical returns the common form of all spellings of an address: the full name of a Service, in lower case, without a trailing dot, or
// the shortest form of an IP address. A pod of a headless Service counts as the Service, because its pods are one store. The name and the
// IP address of one store have different forms.
func canonical(address, namespace string) string {
	host, port, err := splitAddress(address)
	if err != nil {
		return strings.ToLower(address) // an invalid address is a problem of its own
	}
	number := strconv.Itoa(int(port))
	if ip, err := netip.ParseAddr(host); err == nil {
		return net.JoinHostPort(ip.Unmap().String(), number)
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if service, ok := ServiceOf(host, namespace); ok {
		host = service.Name + "." + service.Namespace + ".svc"
	} else if strings.Count(host, ".") == 1 {
		host += ".svc" // resolv.conf's search list makes service.namespace a Service's name
	}
	return net.JoinHostPort(host, number)
}

// topicPrefix returns the prefix that the spec names, or the stack's default.
func topicPrefix(stack *v1alpha1.OpenIMStack) string {
	if topics := stack.Spec.Dependencies.Kafka.Topics; topics != nil && topics.Prefix != "" {
		return topics.Prefix
	}
	return openim.DefaultTopicPrefix(stack.Namespace, stack.Name)
}
