package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// digested is the part of an object that decides: its name, its labels, its spec. Versions, times and the writer do not.
type digested struct {
	Kind      string            `json:"kind"`
	Namespace string            `json:"namespace,omitempty"`
	Name      string            `json:"name"`
	Labels    map[string]string `json:"labels,omitempty"`
	Spec      any               `json:"says,omitempty"`
}

// digestedPod is the part of a pod that decides.
type digestedPod struct {
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

// digestOf returns the digest of the objects that decide. The order in which the API server lists objects does not change the digest,
// because a snapshot is sorted.
func digestOf(m *Model) string {
	hash := sha256.New()
	enc := json.NewEncoder(hash)
	writeEntries(m, func(object digested) {
		if err := enc.Encode(object); err != nil {
			fmt.Fprint(hash, err) // plain data and a hash do not fail; an error would change the digest
		}
	})
	return "sha256:" + hex.EncodeToString(hash.Sum(nil))
}

// writeEntries writes the deciding part of each object. The field names and their order are part of the digest.
func writeEntries(m *Model, write func(digested)) {
	write(digested{Kind: "Graph", Namespace: m.graph.Namespace, Name: m.graph.Stack, Spec: m.graph})
	if m.stack != nil {
		write(digested{Kind: "OpenIMStack", Spec: []any{m.stack.Spec.Suspend, probesGotThrough(m.stack)}})
	}
	w := m.snapshot
	for _, n := range w.Namespaces {
		write(digested{Kind: "Namespace", Name: n.Name, Labels: n.Labels})
	}
	for pod := range m.runningPods() {
		if !isProbe(pod) {
			write(digested{Kind: "Pod", Namespace: pod.Namespace, Name: pod.Name, Labels: pod.Labels, Spec: podEntry(w, pod)})
		}
	}
	for _, o := range w.Services {
		write(digested{Kind: "Service", Namespace: o.Namespace, Name: o.Name, Spec: o.Spec})
	}
	for _, o := range w.EndpointSlices {
		write(digested{Kind: "EndpointSlice", Namespace: o.Namespace, Name: o.Name, Labels: o.Labels, Spec: []any{o.Endpoints, o.Ports}})
	}
	for _, o := range w.Policies {
		write(digested{Kind: "NetworkPolicy", Namespace: o.Namespace, Name: o.Name, Spec: o.Spec})
	}
	for _, o := range w.Ingresses {
		write(digested{Kind: "Ingress", Namespace: o.Namespace, Name: o.Name, Spec: o.Spec})
	}
	for _, o := range w.Routes {
		spec := []any{o.APIVersion, o.Hostnames, o.Backends, o.Diverts, o.DivertsAddresses}
		write(digested{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Spec: spec})
	}
	for _, o := range w.Mentions {
		write(digested{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Spec: []any{o.APIVersion, o.Services, o.Labels}})
	}
	for _, o := range w.OtherPolicies {
		write(digested{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name, Labels: o.Labels})
	}
	for _, o := range w.Stacks {
		write(digested{Kind: "OpenIMStack", Namespace: o.Namespace, Name: o.Name})
	}
	write(digested{Kind: "Unread", Name: fmt.Sprint(w.Origin.Kind), Spec: unreadOf(m)})
}

// podEntry returns what the evaluator and the checks read of a pod. Readiness, restarts and images are not part of it.
func podEntry(w *snapshot.Snapshot, pod *corev1.Pod) digestedPod {
	d := digestedPod{
		Owner: metav1.GetControllerOf(pod), ServiceAccount: pod.Spec.ServiceAccountName, HostNetwork: pod.Spec.HostNetwork,
		Node: pod.Spec.NodeName, Addresses: pod.Status.PodIPs, HostAddresses: pod.Status.HostIPs,
		Debugged: debugContainers(pod),
	}
	if e := enforcerOf(pod); e != nil {
		d.NotEnforcing = e.read(w, pod).off
	}
	for _, n := range networkKeys { // labels are part of the entry
		if value, has := pod.Annotations[n.Key]; has {
			d.Interfaces = append(d.Interfaces, n.Key+"="+value)
		}
	}
	for _, c := range pod.Spec.Containers {
		d.Ports = append(d.Ports, c.Ports)
	}
	return d
}
