package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// judged is what of an object decides: its name, its labels, what it says. Versions, times and who wrote it do not.
type judged struct {
	Kind      string            `json:"kind"`
	Namespace string            `json:"namespace,omitempty"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels,omitempty"`
	Says      any               `json:"says,omitempty"`
}

// judgedPod is what of a pod decides.
type judgedPod struct {
	Owner          *metav1.OwnerReference   `json:"owner,omitempty"`
	ServiceAccount string                   `json:"serviceAccount,omitempty"`
	HostNetwork    bool                     `json:"hostNetwork,omitempty"`
	Node           string                   `json:"node,omitempty"`
	Ports          [][]corev1.ContainerPort `json:"ports,omitempty"`
	Addresses      []corev1.PodIP           `json:"addresses,omitempty"`
	HostAddresses  []corev1.HostIP          `json:"hostAddresses,omitempty"`
	Debugged       []string                 `json:"debugged,omitempty"`
	NotEnforcing   string                   `json:"notEnforcing,omitempty"`
	Interfaces     []string                 `json:"interfaces,omitempty"`
}

// digest of what was judged. The same snapshot has the same one, in whatever order the API server lists it: a World is sorted.
func (s *scene) digest() string {
	hash := sha256.New()
	enc := json.NewEncoder(hash)
	s.writeJudged(func(object judged) {
		if err := enc.Encode(object); err != nil {
			fmt.Fprint(hash, err) // none is expected of plain data and a hash; if there is one, it is part of the digest
		}
	})
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}

func (s *scene) writeJudged(write func(judged)) {
	write(judged{Kind: "Graph", Namespace: s.graph.Namespace, Name: s.graph.Stack, Says: s.graph})
	if s.Stack != nil {
		c := meta.FindStatusCondition(s.Stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
		write(judged{Kind: "OpenIMStack", Says: []any{s.Stack.Spec.Suspend, c != nil && c.Reason == v1alpha1.ReasonNotEnforcedByCNI}})
	}
	w := s.World
	for _, n := range w.Namespaces {
		write(judged{Kind: "Namespace", Name: n.Name, Labels: n.Labels})
	}
	for i := range w.Pods {
		if pod := &w.Pods[i]; runs(pod) && !isProbe(pod) {
			write(judged{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, Says: s.judgePod(pod)})
		}
	}
	for _, o := range w.Services {
		write(judged{Kind: "Service", Namespace: o.Namespace, Name: o.Name, Says: o.Spec})
	}
	for _, o := range w.EndpointSlices {
		write(judged{Kind: "EndpointSlice", Namespace: o.Namespace, Name: o.Name, Labels: o.Labels, Says: []any{o.Endpoints, o.Ports}})
	}
	for _, o := range w.Policies {
		write(judged{Kind: "NetworkPolicy", Namespace: o.Namespace, Name: o.Name, Says: o.Spec})
	}
	for _, o := range w.Ingresses {
		write(judged{Kind: "Ingress", Namespace: o.Namespace, Name: o.Name, Says: o.Spec})
	}
	for _, o := range w.Routes {
		says := []any{o.APIVersion, o.Hostnames, o.Backends, o.Diverts, o.DivertsAddresses}
		write(judged{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Says: says})
	}
	for _, o := range w.Mentions {
		write(judged{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Says: []any{o.APIVersion, o.Services, o.Labels}})
	}
	for _, o := range w.OtherPolicies {
		write(judged{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Labels: o.Labels})
	}
	for _, o := range w.Stacks {
		write(judged{Kind: "OpenIMStack", Namespace: o.Namespace, Name: o.Name})
	}
	write(judged{Kind: "Unread", Name: fmt.Sprint(w.Source.Kind), Says: s.unread()})
}

func (s *scene) judgePod(pod *corev1.Pod) judgedPod {
	j := judgedPod{
		Owner: metav1.GetControllerOf(pod), ServiceAccount: pod.Spec.ServiceAccountName, HostNetwork: pod.Spec.HostNetwork,
		Node: pod.Spec.NodeName, Addresses: pod.Status.PodIPs, HostAddresses: pod.Status.HostIPs,
	}
	if e := enforcerOf(pod); e != nil {
		j.NotEnforcing = e.look(s.World, pod).off
	}
	for _, a := range interfaceAnnotations {
		if value, has := pod.Annotations[a.key]; has {
			j.Interfaces = append(j.Interfaces, a.key+"="+value)
		}
	}
	for _, c := range pod.Spec.Containers {
		j.Ports = append(j.Ports, c.Ports)
	}
	for _, c := range pod.Status.EphemeralContainerStatuses {
		if c.State.Running != nil {
			j.Debugged = append(j.Debugged, c.Name)
		}
	}
	return j
}
