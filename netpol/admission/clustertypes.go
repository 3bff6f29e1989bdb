package admission

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The fields of policy.networking.k8s.io/v1alpha2 that are rendered. A peer has exactly one field. Protocols take the place of a
// NetworkPolicy's ports.

type clusterPolicy struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              clusterSpec `json:"spec"`
}

type clusterSpec struct {
	Tier     string        `json:"tier"`
	Priority int32         `json:"priority"`
	Subject  clusterPeer   `json:"subject"`
	Ingress  []clusterRule `json:"ingress,omitempty"`
	Egress   []clusterRule `json:"egress,omitempty"`
}

// clusterRule has From in ingress, To in egress.
type clusterRule struct {
	Name      string            `json:"name"`
	Action    string            `json:"action"`
	From      []clusterPeer     `json:"from,omitempty"`
	To        []clusterPeer     `json:"to,omitempty"`
	Protocols []clusterProtocol `json:"protocols,omitempty"`
}

type clusterPeer struct {
	Namespaces *metav1.LabelSelector `json:"namespaces,omitempty"`
	Pods       *namespacedPods       `json:"pods,omitempty"`
	Networks   []string              `json:"networks,omitempty"`
}

type namespacedPods struct {
	NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`
	PodSelector       metav1.LabelSelector `json:"podSelector"`
}

type clusterProtocol struct {
	TCP  *portMatch `json:"tcp,omitempty"`
	UDP  *portMatch `json:"udp,omitempty"`
	SCTP *portMatch `json:"sctp,omitempty"`
}

type portMatch struct {
	DestinationPort portNumber `json:"destinationPort"`
}

type portNumber struct {
	Number int32 `json:"number"`
}
