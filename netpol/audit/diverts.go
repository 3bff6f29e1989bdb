package audit

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// diverts are objects that send elsewhere what is meant for a Service of the stack's, or of a store of it: who receives it reads
// messages and passwords. No policy tells it from the connection that was meant.
func (s *scene) diverts() []Finding {
	mine := s.guardedServices()
	var found []Finding
	for _, r := range s.World.Routes {
		var services []string
		for _, service := range r.Diverts {
			if mine[service] {
				services = append(services, text(service))
			}
		}
		services = append(services, s.withAddresses(mine, r.DivertsAddresses)...)
		if len(services) == 0 {
			continue
		}
		found = append(found, Finding{
			Kind: TrafficDiverted, Severity: High, Object: Object{APIVersion: r.APIVersion, Kind: r.Kind, Namespace: r.Namespace, Name: r.Name},
			Reason: fmt.Sprintf("this %s sends elsewhere what is meant for Service %s", r.Kind, list(distinct(services))),
			Lets:   "whoever receives it there reads it, and answers in the name of the Service",
			Fix:    deleteObject(r.Namespace, r.Kind, r.Name) + ", or take the Service out of it",
		})
	}
	return found
}

// guardedServices are the Services of the stack, and those that lead to its stores.
func (s *scene) guardedServices() map[types.NamespacedName]bool {
	names := map[types.NamespacedName]bool{}
	for _, c := range s.components {
		names[types.NamespacedName{Namespace: s.graph.Namespace, Name: v1alpha1.ChildName(s.graph.Stack, c.Name)}] = true
	}
	for service, ports := range s.findWays() {
		for _, leads := range ports {
			names[service] = names[service] || slices.ContainsFunc(leads, func(l lead) bool { return l.store })
		}
	}
	return names
}

// withAddresses are the Services among some that have one of the addresses.
func (s *scene) withAddresses(mine map[types.NamespacedName]bool, addresses []string) []string {
	var names []string
	for i := range s.World.Services {
		service := &s.World.Services[i]
		if mine[nameOf(service)] && slices.ContainsFunc(addresses, func(a string) bool { return slices.Contains(service.Spec.ClusterIPs, a) }) {
			names = append(names, text(nameOf(service)))
		}
	}
	return names
}

func deleteObject(namespace, kind, name string) string {
	if namespace == "" {
		return fmt.Sprintf("kubectl delete %s %s", strings.ToLower(kind), name)
	}
	return fmt.Sprintf("kubectl -n %s delete %s %s", namespace, strings.ToLower(kind), name)
}

// mentions are objects of kinds that nobody knows here and that name a sealed Service, or carry a component's labels.
func (s *scene) mentions() []Finding {
	var found []Finding
	for _, m := range s.World.Mentions {
		what := s.mentioned(m.Services, m.Labels, m.Namespace, func(service types.NamespacedName) bool { return s.routed(m.Kind, m.NamespacedName, service) })
		if what == "" {
			continue
		}
		found = append(found, Finding{
			Kind: UnknownReference, Severity: Low, Object: Object{APIVersion: m.APIVersion, Kind: m.Kind, Namespace: m.Namespace, Name: m.Name},
			Reason: fmt.Sprintf("this %s %s, and what its kind does with that is not known here: it may send traffic there, or make pods", m.Kind, what),
			Lets:   "not known",
			Fix:    "read it: if it leads past the gateway or makes pods with the labels of a component, delete it",
		})
	}
	return found
}

// mentioned says which sealed Service is named, or whose labels are carried. Empty when neither is.
func (s *scene) mentioned(services []types.NamespacedName, labels []map[string]string, namespace string, known func(types.NamespacedName) bool) string {
	for _, c := range s.components {
		door := slices.ContainsFunc(s.targets, func(t target) bool { return t.component == c && t.door })
		service := types.NamespacedName{Namespace: s.graph.Namespace, Name: v1alpha1.ChildName(s.graph.Stack, c.Name)}
		if !door && slices.Contains(services, service) && !known(service) {
			return "names Service " + text(service)
		}
		carried := slices.ContainsFunc(labels, func(l map[string]string) bool { return carries(l, c.Labels(s.graph.Stack)) })
		if carried && (namespace == "" || namespace == s.graph.Namespace) {
			return "carries the labels of " + c.Name
		}
	}
	return ""
}

// routed reports whether what an object does with a Service was read.
func (s *scene) routed(kind string, object, service types.NamespacedName) bool {
	for _, r := range s.World.Routes {
		if r.Kind == kind && r.NamespacedName == object {
			for _, b := range r.Backends {
				if b.Service == service {
					return true
				}
			}
			return slices.Contains(r.Diverts, service)
		}
	}
	return false
}
