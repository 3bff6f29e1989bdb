package dependencies

import (
	"cmp"
	"crypto/x509"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// addressForm is the form of the CRD's addresses.
var addressForm = regexp.MustCompile(`^([a-zA-Z0-9]([-a-zA-Z0-9.]*[a-zA-Z0-9])?|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$`)

// strimziKafka is what the resolver reads of a Kafka of Strimzi.
type strimziKafka struct {
	Spec struct {
		Kafka struct {
			Listeners []struct {
				Name           string                 `json:"name"`
				TLS            bool                   `json:"tls"`
				Authentication *strimziAuthentication `json:"authentication"`
			} `json:"listeners"`
		} `json:"kafka"`
	} `json:"spec"`
	Status struct {
		Listeners []strimziListener `json:"listeners"`
	} `json:"status"`
}

type strimziListener struct {
	Name string `json:"name"`
	// Type was the name of a listener before Strimzi 0.30.
	Type             string   `json:"type"`
	BootstrapServers string   `json:"bootstrapServers"`
	Certificates     []string `json:"certificates"`
}

type strimziAuthentication struct {
	Type string `json:"type"`
}

// strimziUser is what the resolver reads of a KafkaUser of Strimzi.
type strimziUser struct {
	Spec struct {
		Authentication *strimziAuthentication `json:"authentication"`
	} `json:"spec"`
	Status struct {
		Secret string `json:"secret"`
	} `json:"status"`
}

// Types of authentication of Strimzi.
const (
	strimziTLS   = "tls"
	strimziScram = "scram-sha-512"
)

// strimziCluster is the label of a KafkaUser that names its Kafka.
const strimziCluster = "strimzi.io/cluster"

// Keys of the Secret of a KafkaUser with type tls.
const (
	strimziUserCert = "user.crt"
	strimziUserKey  = "user.key"
)

// strimzi returns what a Kafka of Strimzi and its user say. The certificates of the listener's authorities are in the status of the Kafka,
// and those of the user in a Secret: both come together in one copy.
func (r *resolver) strimzi(b reference) (*bound, error) {
	targets := []target{{v1alpha1.GroupStrimzi, v1alpha1.KindKafka, b.Name}}
	if b.User != "" {
		targets = append(targets, target{v1alpha1.GroupStrimzi, v1alpha1.KindKafkaUser, b.User})
	}
	if ok, err := r.permitted(b, targets...); err != nil || !ok {
		return nil, err
	}
	object, err := r.object(b, b.kind, b.name)
	if err != nil || object == nil {
		return nil, err
	}
	var kafka strimziKafka
	if !read(object, &kafka) || !isReady(object) {
		r.notReady(b, object)
		return nil, nil
	}
	listener, encrypted, authentication, ok := r.listener(b, kafka)
	if !ok {
		return nil, nil
	}
	found := &bound{addresses: addressesOf(listener.BootstrapServers)}
	if found.addresses == nil || encrypted && len(listener.Certificates) == 0 {
		r.notReady(b, object)
		return nil, nil
	}
	data := map[string][]byte{}
	if len(listener.Certificates) > 0 {
		authorities := []byte(strings.Join(listener.Certificates, "\n") + "\n")
		if !x509.NewCertPool().AppendCertsFromPEM(authorities) {
			r.missing(v1alpha1.ReasonReferenceNotReady, b.field, "listener %q of Kafka %s has no certificate in status.listeners: see the "+
				"conditions of the Kafka (kubectl describe)", cmp.Or(listener.Name, listener.Type), b.name)
			return nil, nil
		}
		data[openim.CAFile] = authorities
	}
	source := b.name
	if authentication == strimziTLS {
		secret, err := r.strimziUser(b, targets, data)
		if err != nil || secret == nil {
			return nil, err
		}
		source = client.ObjectKeyFromObject(secret)
	}
	if len(data) == 0 {
		return found, nil
	}
	name := r.copied(b, source, data)
	found.tls = &v1alpha1.StoreTLS{CASecretRef: &v1alpha1.KeyReference{Name: name, Key: openim.CAFile}}
	if authentication == strimziTLS {
		found.tls.ClientCertificate = &v1alpha1.ClientCertificate{SecretRef: v1alpha1.LocalReference{Name: name}}
	}
	return found, nil
}

// listener returns the listener of a reference with its authentication. It reports false when there is a problem.
func (r *resolver) listener(b reference, kafka strimziKafka) (found strimziListener, encrypted bool, authentication string, ok bool) {
	var names []string
	for _, l := range kafka.Spec.Kafka.Listeners {
		names = append(names, l.Name)
	}
	name := b.Listener
	if name == "" && len(names) == 1 {
		name = names[0]
	}
	i := slices.Index(names, name)
	if i < 0 {
		r.missing(v1alpha1.ReasonReferenceNotFound, b.field, "Kafka %s has the listeners %s: write one of them to listener",
			b.name, cmp.Or(strings.Join(names, ", "), "none"))
		return found, false, "", false
	}
	spec := kafka.Spec.Kafka.Listeners[i]
	if spec.Authentication != nil {
		authentication = spec.Authentication.Type
	}
	switch {
	case authentication == "" && b.User != "":
		r.missing(v1alpha1.ReasonReferenceUnsupported, b.field, "listener %q of Kafka %s has no authentication, and everybody who reaches it is "+
			"served: remove user, or give the listener authentication: {type: tls}", name, b.name)
		return found, false, "", false
	case authentication != "" && authentication != strimziTLS:
		r.missing(v1alpha1.ReasonUnsupportedByRelease, b.field, "listener %q of Kafka %s has authentication of type %.32q, and OpenIM %s cannot "+
			"log in so, nor can any supported release: name a listener with authentication: {type: tls}", name, b.name, authentication,
			r.stack.Spec.Version)
		return found, false, "", false
	case authentication == strimziTLS && b.User == "":
		r.invalid(v1alpha1.ReasonInvalidSpec, b.field, "listener %q of Kafka %s knows its users by certificates: write the name of a KafkaUser "+
			"to user", name, b.name)
		return found, false, "", false
	}
	at := slices.IndexFunc(kafka.Status.Listeners, func(l strimziListener) bool { return cmp.Or(l.Name, l.Type) == name })
	if at >= 0 {
		found = kafka.Status.Listeners[at]
	}
	return found, spec.TLS, authentication, true
}

// strimziUser adds the certificate and the private key of the user of a reference, and returns their Secret. It is nil when there is a
// problem. targets are what the namespace has permitted already.
func (r *resolver) strimziUser(b reference, targets []target, data map[string][]byte) (*corev1.Secret, error) {
	kind, name := b.kind.GroupVersion().WithKind(v1alpha1.KindKafkaUser), types.NamespacedName{Namespace: b.name.Namespace, Name: b.User}
	object, err := r.object(b, kind, name)
	if err != nil || object == nil {
		return nil, err
	}
	var user strimziUser
	if !read(object, &user) {
		r.notReady(b, object)
		return nil, nil
	}
	if object.GetLabels()[strimziCluster] != b.Name {
		r.missing(v1alpha1.ReasonReferenceUnsupported, b.field, "KafkaUser %s is not of Kafka %s, which does not know it: name a user that has "+
			"the label %s: %s", name, b.name, strimziCluster, b.Name)
		return nil, nil
	}
	if a := user.Spec.Authentication; a == nil || a.Type != strimziTLS {
		reason := v1alpha1.ReasonReferenceUnsupported
		if a != nil && a.Type == strimziScram {
			reason = v1alpha1.ReasonUnsupportedByRelease
		}
		r.missing(reason, b.field, "KafkaUser %s has no authentication of type tls, and no supported release of OpenIM can log in in another "+
			"way: write authentication: {type: tls} there", name)
		return nil, nil
	}
	if !isReady(object) || user.Status.Secret == "" {
		r.notReady(b, object)
		return nil, nil
	}
	if !named(user.Status.Secret, false) {
		r.notASecret(b, "status.secret", object)
		return nil, nil
	}
	// Strimzi may add a prefix to the name of the Secret. The message names all that a grant must have.
	if ok, err := r.permitted(b, append(targets, target{corev1.GroupName, "Secret", user.Status.Secret})...); err != nil || !ok {
		return nil, err
	}
	secret, err := r.secretOf(b, user.Status.Secret)
	if err != nil || secret == nil {
		return nil, err
	}
	for _, file := range []struct{ key, name string }{
		{strimziUserCert, openim.CertificateFile}, {strimziUserKey, openim.PrivateKeyFile},
	} {
		value, present := secret.Data[file.key]
		if len(value) == 0 {
			r.missingKey(b.field, client.ObjectKeyFromObject(secret).String(), file.key, present)
			return nil, nil
		}
		data[file.name] = value
	}
	return secret, nil
}

// read reports whether an object has the form of what the resolver reads of it, and reads it.
func read(object *unstructured.Unstructured, into any) bool {
	return runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into) == nil
}

// isReady reports whether an object has the condition Ready, for its present spec where the status says for which.
func isReady(object *unstructured.Unstructured) bool {
	if observed, found, err := unstructured.NestedInt64(object.Object, "status", "observedGeneration"); err != nil ||
		found && observed != object.GetGeneration() {
		return false
	}
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	return slices.ContainsFunc(conditions, func(c any) bool {
		condition, ok := c.(map[string]any)
		return ok && condition["type"] == "Ready" && condition["status"] == "True"
	})
}

// notASecret adds the problem of a name that no Secret can have. Whoever wrote it sees it in the object.
func (r *resolver) notASecret(b reference, field string, object *unstructured.Unstructured) {
	r.missing(v1alpha1.ReasonReferenceNotReady, b.field, "%s of %s %s/%s is not the name of a Secret: correct it there, or name a Secret",
		field, object.GetKind(), object.GetNamespace(), object.GetName())
}

func (r *resolver) notReady(b reference, object *unstructured.Unstructured) {
	r.missing(v1alpha1.ReasonReferenceNotReady, b.field, "%s %s/%s is not ready: see its conditions (kubectl describe); the stack continues "+
		"by itself", object.GetKind(), object.GetNamespace(), object.GetName())
}
