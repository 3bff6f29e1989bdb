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

// What an object of a kind that nobody knows here does with a Service that it names, or with labels, cannot be told. So it is only
// noted which names that might be a stack's Services it holds, and which of its maps are a component's labels.

const (
	// maxMentioned is how many names and maps of one object are kept.
	maxMentioned = 200
	// maxNesting is how deep an object is looked through.
	maxNesting = 64
)

// builtInGroups are the API groups of Kubernetes itself: what of them decides about connections is read with its type, or is in a table.
var builtInGroups = []string{
	"", "apps", "batch", "autoscaling", "policy", "extensions", "events.k8s.io", "coordination.k8s.io", "rbac.authorization.k8s.io", "storage.k8s.io",
	"scheduling.k8s.io", "node.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io", "apiregistration.k8s.io", "certificates.k8s.io",
	"authentication.k8s.io", "authorization.k8s.io", "flowcontrol.apiserver.k8s.io", "networking.k8s.io", "discovery.k8s.io", "metrics.k8s.io",
	"resource.k8s.io", "internal.apiserver.k8s.io", "storagemigration.k8s.io", "custom.metrics.k8s.io", "external.metrics.k8s.io",
}

// harmlessGroups are API groups of others whose objects name Services and labels, and neither send traffic to them nor make pods.
var harmlessGroups = []string{
	"openimstack.dev", "monitoring.coreos.com", "operator.victoriametrics.com", "cert-manager.io", "acme.cert-manager.io", "external-secrets.io",
	"bitnami.com", "autoscaling.k8s.io", "keda.sh", "kustomize.config.k8s.io", "security.istio.io", "telemetry.istio.io", "policy.linkerd.io",
	"projectcalico.org", "crd.projectcalico.org", "controlplane.antrea.io", "stats.antrea.io", "system.antrea.io", "openreports.io", "reports.kyverno.io",
	"kyverno.io", "wgpolicyk8s.io", "aquasecurity.github.io", "cel.aquasecurity.github.io",
}

// ignoredForMentions reports whether objects of a kind are not looked through.
func ignoredForMentions(kind schema.GroupKind) bool {
	return slices.Contains(builtInGroups, kind.Group) || slices.Contains(harmlessGroups, kind.Group) || strings.HasSuffix(kind.Group, ".constraints.gatekeeper.sh") ||
		kind.Group == "networking.istio.io" && (kind.Kind == "DestinationRule" || kind.Kind == "Sidecar") ||
		kind.Group == "cilium.io" && (kind.Kind == "CiliumEndpoint" || kind.Kind == "CiliumIdentity" || kind.Kind == "CiliumEndpointSlice")
}

// mentionOf looks an object through. It is nil when it mentions nothing that could be a stack's.
func mentionOf(gvk schema.GroupVersionKind, object map[string]any) *Mention {
	u := unstructured.Unstructured{Object: object}
	m := &Mention{
		APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, NamespacedName: types.NamespacedName{Namespace: u.GetNamespace(), Name: u.GetName()},
	}
	for _, key := range slices.Sorted(maps.Keys(object)) {
		value := object[key]
		if metadata, ok := value.(map[string]any); ok && key == "metadata" {
			value = map[string]any{"labels": metadata["labels"], "annotations": trimmed(u.GetAnnotations())} // its own name is none that it mentions
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

// scanText takes a text apart, such as a URL: what looks like a Service's name, alone or with its namespace, is kept.
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

// serviceLike: a stack's Services are named after it and the component, with a dash between the two.
func serviceLike(word string) bool {
	const longest = 63
	return len(word) <= longest && strings.Contains(word, "-") && strings.IndexFunc(word, func(r rune) bool { return !dnsRune(r) || r == '.' }) < 0
}

func (m *Mention) service(name, namespace string) {
	service := types.NamespacedName{Namespace: namespace, Name: name}
	if len(m.Services) < maxMentioned && !slices.Contains(m.Services, service) {
		m.Services = append(m.Services, service)
	}
}

// keepMentions drops what no stack of the snapshot can be meant by.
func (w *World) keepMentions() {
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
