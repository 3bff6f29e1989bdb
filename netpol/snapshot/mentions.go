package snapshot

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// The effect of an object of an unknown kind on the Services and labels that it contains is unknown. The snapshot records the names
// that could be Services of a stack and the maps that could be labels of a component, so that the audit can point at the object.

const (
	// maxMentioned bounds the names and maps that are kept of one object.
	maxMentioned = 200
	// maxNesting bounds the depth of the search in an object.
	maxNesting = 64
)

// builtInGroups are the API groups of Kubernetes. Their kinds that affect connections are in the tables of this package.
var builtInGroups = []string{
	"", "apps", "batch", "autoscaling", "policy", "extensions", "events.k8s.io", "coordination.k8s.io",
	"rbac.authorization.k8s.io", "storage.k8s.io", "scheduling.k8s.io", "node.k8s.io", "admissionregistration.k8s.io",
	"apiextensions.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io", "authentication.k8s.io", "authorization.k8s.io",
	"flowcontrol.apiserver.k8s.io", "networking.k8s.io", "discovery.k8s.io", "metrics.k8s.io", "resource.k8s.io",
	"internal.apiserver.k8s.io", "storagemigration.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io",
}

// harmlessGroups are third-party API groups whose objects contain names of Services and labels, but neither send traffic nor create
// pods.
var harmlessGroups = []string{
	"openimstack.dev", "monitoring.coreos.com", "operator.victoriametrics.com", "cert-manager.io", "acme.cert-manager.io",
	"external-secrets.io", "bitnami.com", "autoscaling.k8s.io", "keda.sh", "kustomize.config.k8s.io", "security.istio.io",
	"telemetry.istio.io", "policy.linkerd.io", "projectcalico.org", "crd.projectcalico.org", "controlplane.antrea.io",
	"stats.antrea.io", "system.antrea.io", "openreports.io", "reports.kyverno.io", "kyverno.io", "wgpolicyk8s.io",
	"aquasecurity.github.io", "cel.aquasecurity.github.io",
}

// ignoredForMentions reports whether objects of a kind are not searched.
func ignoredForMentions(kind schema.GroupKind) bool {
	return slices.Contains(builtInGroups, kind.Group) || slices.Contains(harmlessGroups, kind.Group) ||
		strings.HasSuffix(kind.Group, ".constraints.gatekeeper.sh") ||
		kind.Group == "networking.istio.io" && (kind.Kind == "DestinationRule" || kind.Kind == "Sidecar") ||
		kind.Group == "cilium.io" && (kind.Kind == "CiliumEndpoint" || kind.Kind == "CiliumIdentity" || kind.Kind == "CiliumEndpointSlice")
}

// mentionOf searches an object. It returns nil when the object contains nothing that could belong to a stack.
func mentionOf(gvk schema.GroupVersionKind, object map[string]any) *Mention {
	u := unstructured.Unstructured{Object: object}
	m := &Mention{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind,
		NamespacedName: types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()},
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value := object[key]
		if metadata, ok := value.(map[string]any); ok && key == "metadata" {
			// The object's own name is not a mention.
			value = map[string]any{"labels": metadata["labels"], "annotations": trimmed(u.GetAnnotations())}
		}
		if key != "status" {
			m.scan(value, 0)
		}
	}
	if len(m.Services) == 0 && len(m.Labels) == 0 {
		return nil
	}
	return m
}

func trimmed(annotations map[string]string) map[string]any {
	all := map[string]any{}
	for key, value := range trimAnnotations(annotations) {
		all[key] = value
	}
	return all
}

func (m *Mention) scan(value any, depth int) {
	if depth > maxNesting {
		return
	}
	switch value := value.(type) {
	case string:
		m.scanText(value)
	case []any:
		for _, item := range value {
			m.scan(item, depth+1)
		}
	case map[string]any:
		if _, component := value[v1alpha1.LabelComponent].(string); component && len(m.Labels) < maxMentioned {
			m.Labels = append(m.Labels, stringsOf(value))
		}
		namespace := text(value, "namespace")
		for _, key := range slices.Sorted(maps.Keys(value)) {
			if word, ok := value[key].(string); ok && namespace != "" && serviceLike(word) {
				m.service(word, namespace)
				continue
			}
			m.scan(value[key], depth+1)
		}
	}
}

func stringsOf(labels map[string]any) map[string]string {
	all := map[string]string{}
	for key, value := range labels {
		if s, ok := value.(string); ok {
			all[key] = s
		}
	}
	return all
}

// scanText splits a text, such as a URL, and keeps words that could be a Service's name, with or without its namespace.
func (m *Mention) scanText(s string) {
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool { return !dnsRune(r) }) {
		name, namespace := serviceOfHost(word)
		if namespace == "" {
			namespace = m.Namespace
		}
		if serviceLike(name) {
			m.service(name, namespace)
		}
	}
}

func dnsRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.'
}

// serviceLike reports whether a word could be the name of a stack's Service: the stack's name, a dash, and the component.
func serviceLike(word string) bool {
	const longest = 63
	other := func(r rune) bool { return !dnsRune(r) || r == '.' }
	return len(word) <= longest && strings.Contains(word, "-") && strings.IndexFunc(word, other) < 0
}

func (m *Mention) service(name, namespace string) {
	service := types.NamespacedName{Namespace: namespace, Name: name}
	if len(m.Services) < maxMentioned && !slices.Contains(m.Services, service) {
		m.Services = append(m.Services, service)
	}
}

// keepMentions drops mentions that cannot be about a stack of the snapshot.
func (w *Snapshot) keepMentions() {
	w.Mentions = slices.DeleteFunc(w.Mentions, func(m Mention) bool {
		return !slices.ContainsFunc(w.Stacks, m.mayBeOf)
	})
	w.Mentions = sortUnique(w.Mentions, func(m *Mention) key { return key{m.Namespace, m.Name, m.Kind, m.APIVersion} })
}

func (m *Mention) mayBeOf(stack v1alpha1.OpenIMStack) bool {
	return slices.ContainsFunc(m.Services, func(n types.NamespacedName) bool {
		return n.Namespace == stack.Namespace && strings.HasPrefix(n.Name, stack.Name+"-")
	}) || slices.ContainsFunc(m.Labels, func(l map[string]string) bool { return l[v1alpha1.LabelInstance] == stack.Name })
}
