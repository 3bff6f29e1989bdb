package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/openim"
)

// blindSpots are what an audit of objects cannot see, whatever the stack.
var blindSpots = []string{
	"Port-forward, exec and ephemeral containers go through the API server, and no policy sees them: check which accounts may create " +
		"pods/portforward, pods/exec and pods/attach, update pods/ephemeralcontainers, or get nodes/proxy.",
	"This audit reads objects and sends no packets: the operator's probes show whether the network enforces what the objects say " +
		"(condition NetworkIsolated of the stack).",
	"Traffic from the node that a pod runs on always reaches the pod: root on a node, and pods on its network, are inside.",
	"The audit recognises a pod of the stack by the name of the ReplicaSet that owns it. An account that may create pods with any owner " +
		"reference can create one that looks the same; its ReplicaSet then counts it as one of its own.",
}

// notesOf returns facts that are worth knowing and are no findings.
func notesOf(m *Model) []string {
	notes := append(slices.Clone(blindSpots), fmt.Sprintf("Accounts that may write NetworkPolicies, pods or Services in namespace %s can "+
		"open the stack: the admission policies of config/admission refuse such objects. Whether they are installed is not part of this audit.",
		m.graph.Namespace))
	if m.assumed {
		notes = append(notes, "The manifests hold none of the stack's NetworkPolicies: the audit assumes those that the operator writes.")
	}
	notes = append(notes, listenerNotes(m)...)
	notes = append(notes, hostNetworkNotes(m)...)
	notes = append(notes, storeNotes(m)...)
	return append(notes, labelNotes(m)...)
}

// listenerNotes names the listeners that are open to anyone.
func listenerNotes(m *Model) []string {
	var open []string
	for _, c := range m.graph.Edges {
		if c.From.Anyone() {
			open = append(open, fmt.Sprintf("%s (%s)", portName(c.To.Name, c.Ports[0]), c.From.Name))
		}
	}
	if len(open) == 0 {
		return nil
	}
	return []string{"The spec lets anyone connect to the gateway's listeners, which authenticate callers: " + strings.Join(open, ", ") +
		". spec.network.clients and spec.network.admins can name the sources that may connect."}
}

// hostNetworkNotes counts the pods that policies cannot distinguish from their nodes.
func hostNetworkNotes(m *Model) []string {
	n := 0
	for pod := range m.runningPods() {
		if pod.Spec.HostNetwork && !m.owns(pod) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Pods on their node's network: %d. Policies see them as the node's own addresses, so they are not in the "+
		"table.", n)}
}

// storeNotes names the stores that the audit could not evaluate.
func storeNotes(m *Model) []string {
	var notes []string
	for _, d := range m.destinations {
		switch {
		case d.name == string(openim.ObjectStorage):
			notes = append(notes, "Clients reach the object storage directly, by signed addresses: the lockdown does not cover it, and its own "+
				"access rules decide.")
		case d.isStore() && len(d.pods) == 0:
			notes = append(notes, fmt.Sprintf("No pods of %s are in this snapshot (%s): its own network decides which other sources reach it.",
				d, list(describePeers(d.peers))))
		}
	}
	return distinctInOrder(notes)
}

// labelNotes names the policy rules that let pods reach stores from any namespace with a label. They are notes and not findings: selecting
// namespaces by a label is usual, and safe while only administrators may label namespaces.
func labelNotes(m *Model) []string {
	var rules []string
	reached := map[string][]string{}
	for d := range m.stores() {
		if len(d.pods) == 0 {
			continue
		}
		for i := range m.policies {
			p := &m.policies[i]
			if p.Namespace != d.pods[0].Namespace {
				continue
			}
			for _, peer := range peersByNamespaceLabel(m, p, d) {
				rule := fmt.Sprintf("NetworkPolicy %s/%s lets %s reach ", p.Namespace, p.Name, describePeer(peer))
				if reached[rule] == nil {
					rules = append(rules, rule)
				}
				reached[rule] = append(reached[rule], d.String())
			}
		}
	}
	var notes []string
	for _, rule := range rules {
		notes = append(notes, rule+list(reached[rule])+": every account that may label a namespace can use it.")
	}
	return notes
}

// peersByNamespaceLabel returns the peers of a policy's rules for a store that select namespaces by other labels than their name.
func peersByNamespaceLabel(m *Model, p *networkingv1.NetworkPolicy, d *destination) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for _, class := range m.live.Selected(nameOf(p), d.live) {
		for _, rule := range m.live.Rules(nameOf(p)) {
			if rule.Direction != networkingv1.PolicyTypeIngress || !m.live.Covers(rule, class, d.port.Number, d.port.Protocol) {
				continue
			}
			for _, peer := range p.Spec.Ingress[rule.Index].From {
				if ns := peer.NamespaceSelector; ns != nil && ns.MatchLabels[corev1.LabelMetadataName] == "" {
					peers = append(peers, peer)
				}
			}
		}
		return peers // the pods of a store are alike
	}
	return nil
}
