package audit_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// deletion matches the command at the beginning of a fix.
var deletion = regexp.MustCompile(`kubectl -n (\S+) delete (\S+) ([a-z0-9-]+)`)

// The fix of a finding closes what the breach opened.
func TestTheFixCloses(t *testing.T) {
	done := 0
	for _, b := range slices.Concat(policyBreaches, serviceBreaches, routeBreaches, podBreaches, storeBreaches) {
		in := clean(t)
		b.commit(t, &in)
		f := audit.Run(in).Findings[0]
		command := deletion.FindStringSubmatch(f.Fix)
		if command == nil || b.add == "" && b.kind != audit.RouteExposes {
			continue // the fix edits the object and does not delete it
		}
		t.Run(b.name, func(t *testing.T) {
			remove(t, in.Snapshot, command[1], command[2], command[3])
			report := audit.Run(in)
			g := NewWithT(t)
			g.Expect(report.Findings).To(BeEmpty())
			g.Expect(report.Verdict).To(Equal(audit.VerdictSealed))
		})
		done++
	}
	NewWithT(t).Expect(done).To(BeNumerically(">", 20))
}

func remove(t *testing.T, w *snapshot.Snapshot, namespace, kind, name string) {
	t.Helper()
	before := len(w.Policies) + len(w.Services) + len(w.Pods) + len(w.Ingresses) + len(w.Routes)
	switch kind {
	case "networkpolicy":
		w.Policies = slices.DeleteFunc(w.Policies, func(o networkingv1.NetworkPolicy) bool { return o.Namespace == namespace && o.Name == name })
	case "service":
		w.Services = slices.DeleteFunc(w.Services, func(o corev1.Service) bool { return o.Namespace == namespace && o.Name == name })
	case "pod":
		w.Pods = slices.DeleteFunc(w.Pods, func(o corev1.Pod) bool { return o.Namespace == namespace && o.Name == name })
	case "ingress":
		w.Ingresses = slices.DeleteFunc(w.Ingresses, func(o networkingv1.Ingress) bool { return o.Namespace == namespace && o.Name == name })
	default:
		w.Routes = slices.DeleteFunc(w.Routes, func(o snapshot.Route) bool {
			return o.Namespace == namespace && o.Name == name && strings.EqualFold(o.Kind, kind)
		})
	}
	after := len(w.Policies) + len(w.Services) + len(w.Pods) + len(w.Ingresses) + len(w.Routes)
	NewWithT(t).Expect(after).To(Equal(before-1), "kubectl -n %s delete %s %s", namespace, kind, name)
}

// The policy in the finding of an open store lets in the stack, and nothing else.
func TestTheWrittenPolicySealsTheStore(t *testing.T) {
	for _, store := range []string{"kafka", "redis", "mongodb", "etcd", "redis-wrapper"} {
		t.Run(store, func(t *testing.T) {
			g := NewWithT(t)
			in := clean(t)
			in.Snapshot.Policies = slices.DeleteFunc(in.Snapshot.Policies, func(p networkingv1.NetworkPolicy) bool { return p.Namespace == "infra" })
			i := 0
			for range 5 {
				open := slices.DeleteFunc(audit.Run(in).Findings, func(f audit.Finding) bool { return f.Object.Name != store })
				if i++; len(open) == 0 {
					break
				}
				g.Expect(open).To(ConsistOf(HaveField("Kind", audit.StoreReachable)))
				_, policy, written := strings.Cut(open[0].Fix, "\n")
				g.Expect(written).To(BeTrue(), open[0].Fix)
				apply(t, &in, policy)
			}
			g.Expect(i).To(Equal(2), "one policy is enough")
			g.Expect(audit.Run(in).Findings).NotTo(ContainElement(HaveField("Kind", audit.ConnectionShut)), "the stack still gets in")
		})
	}
}
