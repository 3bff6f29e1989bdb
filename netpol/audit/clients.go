package audit

import (
	"iter"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// UnmatchedClients returns the fields of the spec that declare clients or administrators of the gateway by the labels of pods, and of which
// a peer lets nobody in: onHostNetwork when it selects only pods on their nodes' network, where no selector matches, and nothing when it
// selects no pod. A peer whose namespace was not read is not judged, nor is one without labels of pods.
func UnmatchedClients(g graph.Graph, w *snapshot.Snapshot) (onHostNetwork, nothing []string) {
	namespaces := namespaceLabels(w)
	add := func(to *[]string, field string) {
		if !slices.Contains(*to, field) {
			*to = append(*to, field)
		}
	}
	for _, e := range g.Edges {
		if e.From.Name != graph.Clients && e.From.Name != graph.Admins {
			continue
		}
		for _, peer := range e.From.NetworkPeers {
			if peer.PodSelector == nil || isEmpty(peer.PodSelector) || !wasRead(w, g.Namespace, peer) {
				continue
			}
			pods := podsOfPeer(g.Namespace, namespaces, running(w), peer)
			switch onNode := func(p *corev1.Pod) bool { return p.Spec.HostNetwork }; {
			case len(pods) == 0:
				add(&nothing, e.Field)
			case !slices.ContainsFunc(pods, func(p *corev1.Pod) bool { return !onNode(p) }):
				add(&onHostNetwork, e.Field)
			}
		}
	}
	return onHostNetwork, nothing
}

// wasRead reports whether all namespaces that a peer may select are in the snapshot.
func wasRead(w *snapshot.Snapshot, namespace string, peer networkingv1.NetworkPolicyPeer) bool {
	if len(w.OnlyNamespaces) == 0 {
		return true
	}
	if peer.NamespaceSelector != nil {
		namespace = peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName]
	}
	return slices.Contains(w.OnlyNamespaces, namespace)
}

// running yields the pods of a snapshot that have a network.
func running(w *snapshot.Snapshot) iter.Seq[*corev1.Pod] {
	return func(yield func(*corev1.Pod) bool) {
		for i := range w.Pods {
			if pod := &w.Pods[i]; runs(pod) && !yield(pod) {
				return
			}
		}
	}
}
