package audit_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// breach is one change to a clean stack, and the one finding that the audit must report for it.
type breach struct {
	name string
	// add is YAML that is applied. Its objects replace those of the same kind and name.
	add string
	// change is for changes that YAML cannot express.
	change func(*testing.T, *audit.Input)

	kind string
	// object as Kind/namespace/name.
	object   string
	severity audit.Severity
	// ports that the finding must name; exactly these when only is set.
	ports []string
	only  bool
	// lets and fix are texts that must be in the finding.
	lets, fix []string
}

// Each breach of the catalogue alone is found, named and explained, and nothing else is.
func TestBreaches(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range allBreaches {
		if seen[b.name] {
			t.Fatalf("%q is twice in the catalogue", b.name)
		}
		seen[b.name] = true
		t.Run(b.name, b.check)
	}
	NewWithT(t).Expect(len(seen)).To(BeNumerically(">=", 30))
}

func (b breach) check(t *testing.T) {
	in := clean(t)
	b.commit(t, &in)
	report := audit.Run(in)

	g := NewWithT(t)
	g.Expect(report.Digest).NotTo(Equal(cleanDigest(t)), "every object that decides is part of the digest")
	g.Expect(report.Findings).To(HaveLen(1))
	f := report.Findings[0]
	g.Expect(f.Kind).To(Equal(b.kind))
	g.Expect(objectName(f.Object)).To(Equal(b.object))
	g.Expect(f.Severity).To(Equal(b.severity), f.Reason)
	g.Expect(f.Reason).NotTo(BeEmpty())
	if b.only {
		g.Expect(f.Ports).To(ConsistOf(b.ports))
	} else {
		g.Expect(f.Ports).To(ContainElements(b.ports))
	}
	for _, text := range b.lets {
		g.Expect(f.Lets).To(ContainSubstring(text))
	}
	for _, text := range b.fix {
		g.Expect(f.Fix).To(ContainSubstring(text))
	}
	g.Expect(report.Counts.Findings).To(HaveKeyWithValue(f.Severity, 1))
	verdict := audit.VerdictFindings
	if f.Severity == audit.Low {
		verdict = audit.VerdictSealed
	}
	if f.Kind == audit.UnknownPolicyKind || f.Kind == audit.InvalidPolicy || f.Kind == audit.UnknownReference {
		verdict = audit.VerdictCouldNotTell
	}
	g.Expect(report.Verdict).To(Equal(verdict))
}

var digestOnce = sync.OnceValue(func() string { return audit.Run(built).Digest })

// cleanDigest returns the digest of the snapshot without a breach.
func cleanDigest(t *testing.T) string {
	clean(t)
	return digestOnce()
}

func objectName(o audit.Object) string { return o.Kind + "/" + o.Namespace + "/" + o.Name }

// commit applies the breach to the snapshot.
func (b breach) commit(t *testing.T, in *audit.Input) {
	t.Helper()
	apply(t, in, b.add)
	if b.change != nil {
		b.change(t, in)
	}
	sorted(in.Snapshot)
}

// apply adds YAML objects to the snapshot. They replace those of the same kind and name.
func apply(t *testing.T, in *audit.Input, text string) {
	t.Helper()
	w := in.Snapshot
	for document := range strings.SplitSeq(text, "\n---\n") {
		if strings.TrimSpace(document) == "" {
			continue
		}
		object, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode([]byte(document), nil, nil)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), document)
		switch o := object.(type) {
		case *corev1.Namespace:
			w.Namespaces = put(w.Namespaces, *o, func(x corev1.Namespace) string { return x.Name })
		case *corev1.Pod:
			w.Pods = put(w.Pods, *o, func(x corev1.Pod) string { return x.Namespace + "/" + x.Name })
		case *corev1.Service:
			w.Services = put(w.Services, *o, func(x corev1.Service) string { return x.Namespace + "/" + x.Name })
		case *discoveryv1.EndpointSlice:
			w.EndpointSlices = put(w.EndpointSlices, *o, func(x discoveryv1.EndpointSlice) string { return x.Namespace + "/" + x.Name })
		case *networkingv1.NetworkPolicy:
			w.Policies = put(w.Policies, *o, func(x networkingv1.NetworkPolicy) string { return x.Namespace + "/" + x.Name })
		case *networkingv1.Ingress:
			w.Ingresses = put(w.Ingresses, *o, func(x networkingv1.Ingress) string { return x.Namespace + "/" + x.Name })
		default:
			t.Fatalf("a snapshot holds no %T", object)
		}
	}
}

func put[T any](all []T, object T, name func(T) string) []T {
	all = slices.DeleteFunc(slices.Clone(all), func(x T) bool { return name(x) == name(object) })
	return append(all, object)
}

// pod returns the first pod of a component, to be changed.
func pod(t *testing.T, in *audit.Input, component string) *corev1.Pod {
	t.Helper()
	i := slices.IndexFunc(in.Snapshot.Pods, func(p corev1.Pod) bool {
		return p.Namespace == "im" && p.Labels["app.kubernetes.io/component"] == component
	})
	if i < 0 {
		t.Fatalf("there is no pod of %s", component)
	}
	return &in.Snapshot.Pods[i]
}

// policy returns a NetworkPolicy of the snapshot, to be changed.
func policy(t *testing.T, in *audit.Input, namespace, name string) *networkingv1.NetworkPolicy {
	t.Helper()
	i := slices.IndexFunc(in.Snapshot.Policies, func(p networkingv1.NetworkPolicy) bool { return p.Namespace == namespace && p.Name == name })
	if i < 0 {
		t.Fatalf("there is no NetworkPolicy %s/%s", namespace, name)
	}
	return &in.Snapshot.Policies[i]
}

func withoutPolicy(namespace string, names ...string) func(*testing.T, *audit.Input) {
	return func(t *testing.T, in *audit.Input) {
		for _, name := range names {
			policy(t, in, namespace, name)
			in.Snapshot.Policies = slices.DeleteFunc(in.Snapshot.Policies,
				func(p networkingv1.NetworkPolicy) bool { return p.Namespace == namespace && p.Name == name })
		}
	}
}

// service returns a Service of the snapshot, to be changed.
func service(t *testing.T, in *audit.Input, namespace, name string) *corev1.Service {
	t.Helper()
	i := slices.IndexFunc(in.Snapshot.Services, func(s corev1.Service) bool { return s.Namespace == namespace && s.Name == name })
	if i < 0 {
		t.Fatalf("there is no Service %s/%s", namespace, name)
	}
	return &in.Snapshot.Services[i]
}
