package audit

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/openim"
)

// blindSpots are what no audit of objects sees, whatever the stack.
var blindSpots = []string{
	"Port-forward, exec and ephemeral containers go through the API server, and no policy sees them: look who may create pods/portforward, pods/exec and pods/attach, update pods/ephemeralcontainers, or get nodes/proxy.",
	"This audit reads objects and tries no packet: whether the network enforces what they say, the operator's probes tell (condition NetworkIsolated of the stack).",
	"What comes from the node that a pod runs on always reaches it: whoever is root on a node, or runs a pod on its network, is inside.",
	"A pod is taken for the stack's by the name of the ReplicaSet that owns it. Who may create pods with any owner reference can write one that looks the same; its ReplicaSet then counts it as one of its own.",
}

// notes are what is worth knowing and no finding.
func (s *scene) notes() []string {
	notes := slices.Clone(blindSpots)
	notes = append(notes, fmt.Sprintf("Whoever may write NetworkPolicies, pods or Services in namespace %s can open the stack: the admission policies of config/admission refuse what would. Whether they are installed is not part of this audit.", s.graph.Namespace))
	if s.assumed {
		notes = append(notes, "The manifests hold none of the stack's NetworkPolicies: those which the operator writes are assumed to be there.")
	}
	notes = append(notes, s.doorNotes()...)
	notes = append(notes, s.hostNetworkNote()...)
	return append(notes, s.storeNotes()...)
}

// doorNotes name the doors that are open to anyone.
func (s *scene) doorNotes() []string {
	var open []string
	for _, c := range s.graph.Connections {
		if c.From.Anyone() {
			open = append(open, fmt.Sprintf("%s (%s)", portPlace(c.To.Name, c.Ports[0]), c.From.Name))
		}
	}
	if len(open) == 0 {
		return nil
	}
	return []string{"The spec lets anyone come to the gateway's doors, which check who enters: " + strings.Join(open, ", ") + ". spec.network.clients and spec.network.admins can name who may."}
}

// hostNetworkNote counts the pods that no policy can tell from their nodes.
func (s *scene) hostNetworkNote() []string {
	n := 0
	for i := range s.World.Pods {
		if pod := &s.World.Pods[i]; pod.Spec.HostNetwork && runs(pod) && !s.owns(pod) {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	return []string{fmt.Sprintf("Pods on their node's network: %d. Policies see them as the node's own addresses, so they are not in the table.", n)}
}

// storeNotes say of stores what the audit could not judge, and whom their own policies let in by label.
func (s *scene) storeNotes() []string {
	var notes []string
	for _, o := range s.outward {
		switch {
		case o.name == string(openim.ObjectStorage):
			notes = append(notes, "Clients reach the object storage directly, by signed addresses: it is not sealed, and its own access rules decide.")
		case !isStore(o.name):
		case len(o.pods) == 0:
			notes = append(notes, fmt.Sprintf("No pods of %s are in this snapshot (%s): who else reaches it, its own network decides.", portPlace(o.name, o.port), list(peersInWords(o.peers))))
		}
	}
	return append(distinctInOrder(notes), s.admittedByLabel()...)
}

// admittedByLabel names the rules that let pods of any namespace with a label reach stores.
func (s *scene) admittedByLabel() []string {
	var who []string
	reached := map[string][]string{}
	for _, o := range s.outward {
		if !isStore(o.name) || len(o.pods) == 0 {
			continue
		}
		for i := range s.policies {
			p := &s.policies[i]
			if p.Namespace != o.pods[0].Namespace {
				continue
			}
			for _, peer := range s.labelledNamespaces(p, o) {
				words := fmt.Sprintf("NetworkPolicy %s/%s lets %s reach ", p.Namespace, p.Name, peerInWords(peer))
				if reached[words] == nil {
					who = append(who, words)
				}
				reached[words] = append(reached[words], portPlace(o.name, o.port))
			}
		}
	}
	var notes []string
	for _, words := range who {
		notes = append(notes, words+list(reached[words])+": whoever may label a namespace decides.")
	}
	return notes
}

// labelledNamespaces are the peers of a policy's rules for a store that name namespaces by a label which anyone might set.
func (s *scene) labelledNamespaces(p *networkingv1.NetworkPolicy, o *outward) []networkingv1.NetworkPolicyPeer {
	var peers []networkingv1.NetworkPolicyPeer
	for _, class := range s.live.Selected(nameOf(p), o.live) {
		for _, rule := range s.live.Rules(nameOf(p)) {
			if rule.Direction != networkingv1.PolicyTypeIngress || !s.live.Covers(rule, class, o.port.Number, o.port.Protocol) {
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

func distinctInOrder(words []string) []string {
	var all []string
	for _, w := range words {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}
