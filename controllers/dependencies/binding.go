package dependencies

import (
	"cmp"
	"net"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Keys of a Secret by the Service Binding specification for Kubernetes 1.1 (servicebinding.io).
const (
	bindingType         = "type"
	bindingHost         = "host"
	bindingPort         = "port"
	bindingURI          = "uri"
	bindingCertificates = "certificates"
	bindingPrivateKey   = "private-key"
	// bindingAuthority is not of the specification: with private-key the certificates are the client's own.
	bindingAuthority = openim.CAFile
)

// Kafka's values of the key security-protocol: whether a connection has TLS.
var bindingProtocols = map[string]bool{"PLAINTEXT": false, "SASL_PLAINTEXT": false, "SSL": true, "SASL_SSL": true}

// bindingRediss begins the uri of a Redis with TLS.
const bindingRediss = "rediss:"

// Keys of which several spellings are in use.
var (
	bindingServers   = []string{"bootstrap-servers", "bootstrapServers"}
	bindingMechanism = []string{"sasl-mechanism", "saslMechanism", "sasl.mechanism"}
	bindingProtocol  = []string{"security-protocol", "securityProtocol", "security.protocol"}
)

// bindingTypes are the values of the key type, by store.
var bindingTypes = map[openim.Dependency]string{
	openim.Kafka: "kafka", openim.Redis: "redis", openim.WrapperRedis: "redis",
	openim.MongoDB: "mongodb", openim.Dependency(openim.PartyWrapperMongoDB): "mongodb",
}

// serviceBinding returns what a Secret by the Service Binding specification says, or the Secret of an object that has one.
func (r *resolver) serviceBinding(b reference) (*bound, error) {
	name := b.Name
	if b.kind != corev1.SchemeGroupVersion.WithKind("Secret") {
		if ok, err := r.permitted(b, target{b.kind.Group, b.Kind, b.Name}); err != nil || !ok {
			return nil, err
		}
		object, err := r.object(b, b.kind, b.name)
		if err != nil || object == nil {
			return nil, err
		}
		if name, _, _ = unstructured.NestedString(object.Object, "status", "binding", "name"); name == "" {
			r.missing(v1alpha1.ReasonReferenceNotReady, b.field, "%s %s has no status.binding.name: wait for its operator, or name a Secret with "+
				"its address and login (docs/stores.md)", b.Kind, b.name)
			return nil, nil
		}
		if !named(name, false) {
			r.notASecret(b, "status.binding.name", object)
			return nil, nil
		}
	}
	if ok, err := r.permitted(b, target{corev1.GroupName, "Secret", name}); err != nil || !ok {
		return nil, err
	}
	secret, err := r.secretOf(b, name)
	if err != nil || secret == nil {
		return nil, err
	}
	return r.readBinding(b, secret), nil
}

// readBinding returns what a Secret says, nil when there is a problem.
func (r *resolver) readBinding(b reference, secret *corev1.Secret) *bound {
	text := func(keys ...string) string {
		for _, key := range keys {
			if value := strings.TrimSpace(string(secret.Data[key])); value != "" {
				return value
			}
		}
		return ""
	}
	refuse := func(reason, format string, args ...any) *bound {
		r.missing(reason, b.field, format, append([]any{client.ObjectKeyFromObject(secret)}, args...)...)
		return nil
	}
	wanted := bindingTypes[b.store]
	if is := text(bindingType); is != "" && !strings.EqualFold(is, wanted) {
		return refuse(v1alpha1.ReasonSecretInvalid, "key type of Secret %s says another kind of store than %s: name a Secret of %[2]s", wanted)
	}
	if m := text(bindingMechanism...); m != "" && m != string(v1alpha1.SASLPlain) && wanted == "kafka" {
		return refuse(v1alpha1.ReasonUnsupportedByRelease, "Secret %s says a mechanism of SASL other than PLAIN, which no supported release of "+
			"OpenIM has: use a user with PLAIN, or one with a certificate")
	}
	encrypted, known := bindingProtocols[strings.ToUpper(cmp.Or(text(bindingProtocol...), "PLAINTEXT"))]
	switch wanted {
	case "kafka":
		if !known {
			return refuse(v1alpha1.ReasonSecretInvalid, "Secret %s says a security-protocol that Kafka does not have: write PLAINTEXT, "+
				"SASL_PLAINTEXT, SSL or SASL_SSL")
		}
	case "redis":
		encrypted = strings.HasPrefix(strings.ToLower(text(bindingURI)), bindingRediss)
		if encrypted && b.store == openim.WrapperRedis && text(bindingCertificates, bindingAuthority) == "" {
			return refuse(v1alpha1.ReasonSecretInvalid, "uri of Secret %s is of a Redis with TLS (rediss): write the PEM certificates of its "+
				"authorities to certificates, because gateway and backend trust no others there")
		}
	default:
		encrypted = false
	}
	found := &bound{}
	uri := wanted == "mongodb" && text(bindingURI) != ""
	if !uri {
		list := net.JoinHostPort(strings.Trim(text(bindingHost), "[]"), text(bindingPort))
		if servers := text(bindingServers...); servers != "" && wanted == "kafka" {
			list = servers
		}
		if found.addresses = addressesOf(list); found.addresses == nil {
			return refuse(v1alpha1.ReasonSecretKeyNotFound, "Secret %s has no address: write host and port, each to a key of its own%s",
				map[string]string{"mongodb": ", or a connection string to uri", "kafka": ", or host:port,host:port to bootstrap-servers"}[wanted])
		}
	}
	if text(bindingPrivateKey) != "" && wanted != "kafka" {
		return refuse(v1alpha1.ReasonReferenceUnsupported, "Secret %s has a private key for the client, which resourceRef does not read for %s: "+
			"write addresses and tls.clientCertificate instead", wanted)
	}
	name := r.inNamespace(b, secret, uri)
	found.source = secret
	found.tls = bindingTLS(name, encrypted, func(key string) bool { return text(key) != "" })
	if uri {
		found.uri = &v1alpha1.KeyReference{Name: name, Key: bindingURI}
	} else if text(v1alpha1.KeyUsername, v1alpha1.KeyPassword) != "" {
		found.login = &v1alpha1.LocalReference{Name: name}
	}
	return found
}

// inNamespace returns the name of a Secret of the stack's namespace with the content of a binding: the Secret itself, or a copy of the keys
// that are read. The others may have passwords, too.
func (r *resolver) inNamespace(b reference, secret *corev1.Secret, uri bool) string {
	if secret.Namespace == r.stack.Namespace {
		return secret.Name
	}
	data := map[string][]byte{}
	keys := []string{v1alpha1.KeyUsername, v1alpha1.KeyPassword, bindingCertificates, bindingPrivateKey, bindingAuthority}
	if uri {
		keys = []string{bindingURI, bindingCertificates, bindingPrivateKey, bindingAuthority}
	}
	for _, key := range keys {
		if value := secret.Data[key]; len(value) > 0 {
			data[key] = value
		}
	}
	if len(data) == 0 {
		return ""
	}
	return r.copied(b, client.ObjectKeyFromObject(secret), data)
}

// bindingTLS returns the TLS that a binding asks for, nil for none. Without a private key the certificates are those of the authorities.
func bindingTLS(secret string, encrypted bool, has func(key string) bool) *v1alpha1.StoreTLS {
	authority, client := bindingCertificates, has(bindingPrivateKey)
	if client || has(bindingAuthority) {
		authority = bindingAuthority
	}
	if !client && !has(authority) && !encrypted {
		return nil
	}
	tls := &v1alpha1.StoreTLS{}
	if has(authority) {
		tls.CASecretRef = &v1alpha1.KeyReference{Name: secret, Key: authority}
	}
	if client {
		tls.ClientCertificate = &v1alpha1.ClientCertificate{
			SecretRef: v1alpha1.LocalReference{Name: secret}, CertKey: bindingCertificates, KeyKey: bindingPrivateKey,
		}
	}
	return tls
}

// redisTLS returns the same TLS for Redis, whose clients have no certificate of their own.
func redisTLS(tls *v1alpha1.StoreTLS) *v1alpha1.RedisTLS {
	if tls == nil {
		return nil
	}
	return &v1alpha1.RedisTLS{CASecretRef: tls.CASecretRef}
}
