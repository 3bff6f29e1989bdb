package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// stakes says of each store what who reaches it can do. What is not here is no store, or is meant to be reached by others.
var stakes = map[string]string{
	string(openim.Kafka):   "who writes to its topics sends messages in anybody's name",
	string(openim.Redis):   "it holds tokens and what the caches believe: who writes to it is anybody",
	string(openim.MongoDB): "it holds all users, groups and messages",
	string(openim.Etcd):    "it says where OpenIM's services are: who writes to it receives their calls",
	graph.WrapperRedis:     "it holds the sessions of the gateway",
}

func isStore(party string) bool { return stakes[party] != "" }

// storeFindings are stores that others than the stack's own pods reach. Whoever reaches one of them owns OpenIM.
func (s *scene) storeFindings() []Finding {
	var found []Finding
	for _, o := range s.outward {
		if isStore(o.name) && len(o.pods) > 0 {
			found = append(found, s.storeReachable(o)...)
		}
	}
	return found
}

func (s *scene) storeReachable(o *outward) []Finding {
	var who []string
	for _, from := range s.strangers {
		if s.reachesStore(from, o) {
			who = append(who, from.words)
		}
	}
	f := Finding{
		Kind: StoreReachable, Severity: High, Object: s.storeObject(o), store: portPlace(o.name, o.port),
		Reason: fmt.Sprintf("the %s of the stack can be reached by others: %s", o.name, stakes[o.name]),
	}
	if len(who) > 0 {
		by := s.reachableBy(o)
		f.Lets = fmt.Sprintf("%s: %s (%s)", list(who), portPlace(o.name, o.port), joinWords(by.Policy, by.Reason))
		f.Fix = s.isolate(o)
		if by.Policy != "" {
			namespace, name := split(by.Policy)
			f.Fix = fmt.Sprintf("narrow rule %d of NetworkPolicy %s to who needs the store, or kubectl -n %s delete networkpolicy %s if no one does", *by.Rule, by.Policy, namespace, name)
		}
		return []Finding{f}
	}
	others, severity := s.othersReach(o)
	home := o.pods[0].Namespace
	switch neighbour := (&source{ends: []end{s.end(evaluate.End{Pod: bare(home, nil)})}}); {
	case s.reachesStore(neighbour, o):
		f.Severity = Medium
		f.Lets = fmt.Sprintf("any pod in namespace %s: %s", home, portPlace(o.name, o.port))
	case len(others) > 0:
		f.Severity = severity
		f.Lets = fmt.Sprintf("%s: %s", podsInWords(others), portPlace(o.name, o.port))
	default:
		return nil
	}
	f.Fix = "if they need not reach it, narrow the rule that lets them in; it must let in the stack's pods and the store's own, and whoever runs it"
	return []Finding{f}
}

func (s *scene) reachesStore(from *source, o *outward) bool {
	for _, e := range from.ends {
		for _, class := range o.live {
			if from.real && s.live.Reaches(e.live, class, o.port.Number, o.port.Protocol) {
				return true
			}
			if !from.real && isOpen(s.live.Between(e.live, class, o.port.Number, o.port.Protocol), false) {
				return true
			}
		}
	}
	return false
}

// othersReach are pods of the snapshot, neither the stack's nor the store's own, that a policy lets in. In the store's own namespace
// they are of those who run the store; another stack shares it on purpose.
func (s *scene) othersReach(o *outward) ([]*corev1.Pod, Severity) {
	severity, home := Low, o.pods[0].Namespace
	own := map[types.NamespacedName]bool{}
	for _, pod := range o.pods {
		own[nameOf(pod)] = true
	}
	var others []*corev1.Pod
	for _, from := range s.foreign {
		if _, reserved := s.componentOf(from.pods[0]); reserved || !s.reachesStore(from, o) {
			continue // a pod with reserved labels is a finding of its own
		}
		for _, pod := range from.pods {
			if own[nameOf(pod)] {
				continue
			}
			others = append(others, pod)
			if pod.Namespace != home && !s.ofAnotherStack(pod) {
				severity = Medium
			}
		}
	}
	return others, severity
}

// ofAnotherStack tells whether a pod is another stack's.
func (s *scene) ofAnotherStack(pod *corev1.Pod) bool {
	return slices.ContainsFunc(s.World.Stacks, func(other v1alpha1.OpenIMStack) bool {
		return other.Namespace == pod.Namespace && other.Name == pod.Labels[v1alpha1.LabelInstance] &&
			pod.Labels[v1alpha1.LabelPartOf] == v1alpha1.PartOf && (other.Namespace != s.graph.Namespace || other.Name != s.graph.Stack)
	})
}

// reachableBy is what lets everybody in.
func (s *scene) reachableBy(o *outward) Decision {
	for _, class := range o.live {
		for _, from := range s.strangers {
			v := s.live.Between(from.ends[0].live, class, o.port.Number, o.port.Protocol)
			if isOpen(v, false) {
				return side(ingress, v.Ingress)[0]
			}
		}
	}
	return Decision{}
}

// storeObject is the Service by which a store is known, or one of its pods.
func (s *scene) storeObject(o *outward) Object {
	all := s.findWays()
	for i := range s.World.Services {
		service := &s.World.Services[i]
		for _, leads := range all[nameOf(service)] {
			if service.Namespace == o.pods[0].Namespace && slices.ContainsFunc(leads, func(l lead) bool { return l.store && l.place == portPlace(o.name, o.port) }) {
				return serviceObject(service)
			}
		}
	}
	return podObject(o.pods[0])
}

// isolate is a NetworkPolicy that lets in the stack's pods that need the store, and the store's own, and nobody else.
func (s *scene) isolate(o *outward) string {
	pods := s.selectorOf(o)
	number := o.port
	p := networkingv1.NetworkPolicy{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "NetworkPolicy"},
		ObjectMeta: metav1.ObjectMeta{Namespace: o.pods[0].Namespace, Name: s.graph.Stack + "-" + o.name},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: pods, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{
				{From: []networkingv1.NetworkPolicyPeer{s.users(o)}, Ports: policyPort(number)},
				{From: []networkingv1.NetworkPolicyPeer{{PodSelector: &pods}}},
			},
		},
	}
	raw, err := yaml.Marshal(p)
	if err != nil {
		return "write a NetworkPolicy that lets in the stack's pods alone: " + err.Error()
	}
	return "kubectl apply -f - with this NetworkPolicy, after adding whoever else needs the store (backup, monitoring), and no other policy that lets in more:\n" + string(raw)
}

// selectorOf selects a store's pods: as the stack's own policies name them or, when they do so by address, by the pods' labels.
func (s *scene) selectorOf(o *outward) metav1.LabelSelector {
	for _, p := range o.peers {
		if p.PodSelector != nil && !isEmpty(p.PodSelector) {
			return *p.PodSelector
		}
	}
	labels := map[string]string{}
	for key, value := range o.pods[0].Labels {
		if !strings.HasSuffix(key, "-hash") && !strings.HasPrefix(key, "statefulset.kubernetes.io/") && !strings.HasPrefix(key, "apps.kubernetes.io/") {
			labels[key] = value
		}
	}
	return metav1.LabelSelector{MatchLabels: labels}
}

// users are the stack's components that connect to a store.
func (s *scene) users(o *outward) networkingv1.NetworkPolicyPeer {
	var names []string
	for _, c := range s.components {
		if o.from[c.Name] {
			names = append(names, c.Name)
		}
	}
	return networkingv1.NetworkPolicyPeer{
		NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: s.graph.Namespace}},
		PodSelector: &metav1.LabelSelector{
			MatchLabels:      map[string]string{v1alpha1.LabelInstance: s.graph.Stack, v1alpha1.LabelPartOf: v1alpha1.PartOf},
			MatchExpressions: []metav1.LabelSelectorRequirement{{Key: v1alpha1.LabelComponent, Operator: metav1.LabelSelectorOpIn, Values: names}},
		},
	}
}

func storeExposed(object Object, how string, stores []lead, fix string) Finding {
	return Finding{
		Kind: StoreExposed, Severity: High, Object: object,
		Reason: how + ", and it leads to a store of the stack's: whoever reaches one owns OpenIM",
		Lets:   "whoever reaches it is passed on to " + list(placesOf(stores)), Fix: fix,
	}
}

// storeCells are from strangers to the stores whose pods are in the snapshot.
func (s *scene) storeCells() []Cell {
	var cells []Cell
	for _, o := range s.outward {
		if !isStore(o.name) || len(o.pods) == 0 {
			continue
		}
		for _, from := range s.strangers {
			v := s.pick([]*evaluate.Class{from.ends[0].live}, o.live, o.port, func(v evaluate.Verdict) bool { return !isOpen(v, false) })
			cells = append(cells, Cell{From: from.name, To: o.name, Port: port(o.port), Evaluated: isOpen(v, false), Decided: decisions(v, false)})
		}
	}
	return cells
}
