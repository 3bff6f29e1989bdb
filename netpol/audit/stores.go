package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// stakes says what access to each store allows. Destinations that are not listed are no stores, or are meant to be reached by others.
var stakes = map[string]string{
	string(openim.Kafka):   "a writer to its topics sends messages in anybody's name",
	string(openim.Redis):   "it holds tokens and cached identities: a writer can act as anybody",
	string(openim.MongoDB): "it holds all users, groups and messages",
	string(openim.Etcd):    "it holds the addresses of OpenIM's services: a writer receives their calls",
	graph.WrapperRedis:     "it holds the sessions of the gateway",
}

// checkReachableStores finds stores that pods other than the stack's reach. Access to a store is full control of OpenIM.
func checkReachableStores(m *Model) []Finding {
	var found []Finding
	for d := range m.stores() {
		if len(d.pods) > 0 {
			found = append(found, storeReachable(m, d)...)
		}
	}
	return found
}

// storeReachable returns at most one finding for a store, for the widest set of sources: anyone, the store's namespace, or single pods.
func storeReachable(m *Model, d *destination) []Finding {
	var sources []string
	for _, from := range m.unexpected {
		if m.reaches(from, d.live, d.port) {
			sources = append(sources, from.description)
		}
	}
	f := Finding{
		Kind: StoreReachable, Severity: High, Object: storeObject(m, d), store: d.String(),
		Reason: fmt.Sprintf("the %s of the stack can be reached by others: %s", d.name, stakes[d.name]),
	}
	if len(sources) > 0 {
		by := openedBy(m, d)
		f.Lets = fmt.Sprintf("%s: %s (%s)", list(sources), d, prefixed(by.Policy, by.Reason))
		f.Fix = isolationFix(m, d)
		if by.Policy != "" {
			namespace, name := splitName(by.Policy)
			f.Fix = fmt.Sprintf("narrow rule %d of NetworkPolicy %s to the clients of the store, or "+
				"kubectl -n %s delete networkpolicy %s if there are none", *by.Rule, by.Policy, namespace, name)
		}
		return []Finding{f}
	}
	others, severity := foreignClients(m, d)
	namespace := d.pods[0].Namespace
	neighbour := &source{ends: []end{m.classify(evaluate.End{Pod: syntheticPod(namespace, nil)})}}
	switch {
	case m.reaches(neighbour, d.live, d.port):
		f.Severity = Medium
		f.Lets = fmt.Sprintf("any pod in namespace %s: %s", namespace, d)
	case len(others) > 0:
		f.Severity = severity
		f.Lets = fmt.Sprintf("%s: %s", describePods(others), d)
	default:
		return nil
	}
	f.Fix = "if they need not reach it, narrow the rule that lets them in; the rule must keep letting in the stack's pods, the store's own, " +
		"and those that operate the store"
	return []Finding{f}
}

// foreignClients returns the pods of the snapshot, neither the stack's nor the store's own, that reach a store. Pods in the store's
// namespace usually operate it, and another stack shares it on purpose: these are Low, all others Medium.
func foreignClients(m *Model, d *destination) ([]*corev1.Pod, Severity) {
	severity, namespace := Low, d.pods[0].Namespace
	own := map[types.NamespacedName]bool{}
	for _, pod := range d.pods {
		own[nameOf(pod)] = true
	}
	var others []*corev1.Pod
	for _, from := range m.foreign {
		if _, labelled := m.componentOf(from.pods[0]); labelled || !m.reaches(from, d.live, d.port) {
			continue // pods with a component's labels are findings of checkReservedLabels
		}
		for _, pod := range from.pods {
			if own[nameOf(pod)] {
				continue
			}
			others = append(others, pod)
			if pod.Namespace != namespace && !ofAnotherStack(m, pod) {
				severity = Medium
			}
		}
	}
	return others, severity
}

// ofAnotherStack reports whether a pod belongs to another stack of the snapshot.
func ofAnotherStack(m *Model, pod *corev1.Pod) bool {
	return slices.ContainsFunc(m.snapshot.Stacks, func(other v1alpha1.OpenIMStack) bool {
		return other.Namespace == pod.Namespace && other.Name == pod.Labels[v1alpha1.LabelInstance] &&
			pod.Labels[v1alpha1.LabelPartOf] == v1alpha1.PartOf && (other.Namespace != m.graph.Namespace || other.Name != m.graph.Stack)
	})
}

// openedBy returns the decision that lets an unexpected source reach a store.
func openedBy(m *Model, d *destination) Decision {
	for _, class := range d.live {
		for _, from := range m.unexpected {
			v := m.live.Between(from.ends[0].live, class, d.port.Number, d.port.Protocol)
			if isOpen(v, false) {
				return sideDecisions(ingress, v.Ingress)[0]
			}
		}
	}
	return Decision{}
}

// storeObject returns the Service that leads to a store in the namespace of its pods, or else one of the pods.
func storeObject(m *Model, d *destination) Object {
	isStore := func(p protectedPort) bool { return p.store && p.name == d.String() }
	for i := range m.snapshot.Services {
		service := &m.snapshot.Services[i]
		if service.Namespace != d.pods[0].Namespace {
			continue
		}
		if _, stores := behindService(m, service); slices.ContainsFunc(stores, isStore) {
			return serviceObject(service)
		}
	}
	return podObject(d.pods[0])
}

// isolationFix contains a NetworkPolicy that lets in the stack's pods that need a store, and the store's own pods, and nothing else.
func isolationFix(m *Model, d *destination) string {
	pods := storeSelector(d)
	number, protocol := intstr.FromInt32(d.port.Number), d.port.Protocol
	p := networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: d.pods[0].Namespace, Name: m.graph.Stack + "-" + d.name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: pods, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{
					From:  []networkingv1.NetworkPolicyPeer{storeClients(m, d)},
					Ports: []networkingv1.NetworkPolicyPort{{Port: &number, Protocol: &protocol}},
				},
				{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &pods}}},
			},
		},
	}
	raw, err := yaml.Marshal(p)
	if err != nil {
		return "write a NetworkPolicy that lets in the stack's pods alone: " + err.Error()
	}
	return "kubectl apply -f - with this NetworkPolicy, after adding the other clients of the store (backup, monitoring), and no other " +
		"policy that lets in more:\n" + string(raw)
}

// storeSelector selects a store's pods: as the stack's own policies do or, when these hold addresses, by the labels of the pods without
// those that controllers set.
func storeSelector(d *destination) metav1.LabelSelector {
	for _, p := range d.peers {
		if p.PodSelector != nil && !isEmpty(p.PodSelector) {
			return *p.PodSelector
		}
	}
	labels := map[string]string{}
	for key, value := range d.pods[0].Labels {
		byController := strings.HasSuffix(key, "-hash") || strings.HasPrefix(key, "statefulset.kubernetes.io/") ||
			strings.HasPrefix(key, "apps.kubernetes.io/")
		if !byController {
			labels[key] = value
		}
	}
	return metav1.LabelSelector{MatchLabels: labels}
}

// storeClients selects the stack's components that connect to a store.
func storeClients(m *Model, d *destination) networkingv1.NetworkPolicyPeer {
	var names []string
	for _, c := range m.components {
		if d.from[c.Name] {
			names = append(names, c.Name)
		}
	}
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: m.graph.Namespace}},
		PodSelector: &metav1.LabelSelector{
			MatchLabels: map[string]string{v1alpha1.LabelInstance: m.graph.Stack, v1alpha1.LabelPartOf: v1alpha1.PartOf},
			MatchExpressions: []metav1.LabelSelectorRequirement{
				{Key: v1alpha1.LabelComponent, Operator: metav1.LabelSelectorOpIn, Values: names},
			},
		},
	}
}

// checkExposedStores finds Services, Ingresses and routes that bring a store out of the cluster.
func checkExposedStores(m *Model) []Finding {
	var found []Finding
	for i := range m.snapshot.Services {
		service := &m.snapshot.Services[i]
		_, stores := behindService(m, service)
		if exposed := exposure(service); exposed != "" && len(stores) > 0 {
			found = append(found, storeExposed(
				serviceObject(service), "this Service leads to a store of the stack and "+exposed, stores, closeService(service)))
		}
	}
	for _, e := range slices.Concat(ingressEntryPoints(m), routeEntryPoints(m)) {
		if _, stores := protectedBehind(m, e.backends); len(stores) > 0 {
			found = append(found, storeExposed(
				e.object, fmt.Sprintf("this %s forwards %s to a store of the stack", e.object.Kind, e.hostNames()), stores, e.fix))
		}
	}
	return found
}

func storeExposed(object Object, reason string, stores []protectedPort, fix string) Finding {
	return Finding{
		Kind: StoreExposed, Severity: High, Object: object,
		Reason: reason + "; access to a store is full control of OpenIM",
		Lets:   "its clients are forwarded to " + list(namesOf(stores)), Fix: fix,
	}
}

// storeCells returns the cells from unexpected sources to the stores whose pods are in the snapshot.
func storeCells(m *Model) []Cell {
	var cells []Cell
	for d := range m.stores() {
		if len(d.pods) == 0 {
			continue
		}
		for _, from := range m.unexpected {
			denied := func(v evaluate.Verdict) bool { return !isOpen(v, false) }
			v := firstDeviation(m, []*evaluate.Class{from.ends[0].live}, d.live, d.port, denied)
			cells = append(cells, Cell{
				From: from.name, To: d.name, Port: reportPort(d.port), Evaluated: isOpen(v, false), Decided: decisions(v, false),
			})
		}
	}
	return cells
}
