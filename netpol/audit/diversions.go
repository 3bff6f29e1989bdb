package audit

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// checkDiversions finds objects that redirect the traffic of a Service of the stack or of a store. The receiver reads messages and
// passwords, and no policy can distinguish the redirected connection from the intended one.
func checkDiversions(m *Model) []Finding {
	protected := protectedServices(m)
	var found []Finding
	for _, r := range m.snapshot.Routes {
		var services []string
		for _, service := range r.Diverts {
			if protected[service] {
				services = append(services, fullName(service))
			}
		}
		services = append(services, servicesWithAddresses(m, protected, r.DivertsAddresses)...)
		if len(services) == 0 {
			continue
		}
		object := routeObject(r)
		found = append(found, Finding{
			Kind: TrafficDiverted, Severity: High, Object: object,
			Reason: fmt.Sprintf("this %s redirects the traffic of Service %s", r.Kind, list(distinct(services))),
			Lets:   "the receiver reads the traffic, and answers in the name of the Service",
			Fix:    deleteCommand(object) + ", or remove the Service from it",
		})
	}
	return found
}

// protectedServices returns the Services of the stack, and those that lead to its stores.
func protectedServices(m *Model) map[types.NamespacedName]bool {
	names := map[types.NamespacedName]bool{}
	for _, c := range m.components {
		names[m.serviceOf(c)] = true
	}
	for service, ports := range m.reach {
		for _, behind := range ports {
			names[service] = names[service] || slices.ContainsFunc(behind, func(p protectedPort) bool { return p.store })
		}
	}
	return names
}

// servicesWithAddresses returns those of some Services that have one of the cluster IPs.
func servicesWithAddresses(m *Model, among map[types.NamespacedName]bool, addresses []string) []string {
	var names []string
	for i := range m.snapshot.Services {
		service := &m.snapshot.Services[i]
		named := slices.ContainsFunc(addresses, func(a string) bool { return slices.Contains(service.Spec.ClusterIPs, a) })
		if named && among[nameOf(service)] {
			names = append(names, fullName(nameOf(service)))
		}
	}
	return names
}

// checkUnknownReferences finds objects of unknown kinds that name a Service with sealed ports, or carry a component's labels.
func checkUnknownReferences(m *Model) []Finding {
	var found []Finding
	for _, mention := range m.snapshot.Mentions {
		reference := describeReference(m, mention)
		if reference == "" {
			continue
		}
		found = append(found, Finding{
			Kind: UnknownReference, Severity: Low,
			Object: Object{APIVersion: mention.APIVersion, Kind: mention.Kind, Namespace: mention.Namespace, Name: mention.Name},
			Reason: fmt.Sprintf("this %s %s, and the audit does not know the kind: the object may send traffic there, or make pods",
				mention.Kind, reference),
			Lets: "not known",
			Fix:  "read it: if it leads past the gateway or makes pods with the labels of a component, delete it",
		})
	}
	return found
}

// describeReference returns how an object refers to the stack: it names a Service with sealed ports alone, or carries a component's
// labels. Empty when it does neither, or when the reference was read as a route.
func describeReference(m *Model, mention snapshot.Mention) string {
	for _, c := range m.components {
		service := m.serviceOf(c)
		if !m.hasPublicPort(c) && slices.Contains(mention.Services, service) && !isKnownRoute(m, mention.Kind, mention.NamespacedName, service) {
			return "names Service " + fullName(service)
		}
		carried := slices.ContainsFunc(mention.Labels, func(l map[string]string) bool { return carries(l, c.Labels(m.graph.Stack)) })
		if carried && (mention.Namespace == "" || mention.Namespace == m.graph.Namespace) {
			return "carries the labels of " + c.Name
		}
	}
	return ""
}

// isKnownRoute reports whether the snapshot knows what an object does with a Service.
func isKnownRoute(m *Model, kind string, object, service types.NamespacedName) bool {
	for _, r := range m.snapshot.Routes {
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
