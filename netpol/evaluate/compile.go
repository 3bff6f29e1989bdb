package evaluate

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// direction is Ingress or Egress, as an index.
type direction int

const (
	ingress direction = iota
	egress
	directions
)

var policyType = [directions]networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress}

// policy is a compiled NetworkPolicy.
type policy struct {
	name types.NamespacedName
	// pods is the number of the policy's podSelector.
	pods int
	// isolates are the directions of policyTypes.
	isolates [directions]bool
	rules    [directions][]rule
}

// rule is a compiled rule. Without peers it matches any end, without ports any port.
type rule struct {
	peers []peer
	ports []portRange
}

// none is the number of an absent selector or block.
const none = -1

// peer is a block of addresses, or pods of namespaces.
type peer struct {
	block int
	// namespaces is the number of a selector. none means the policy's namespace.
	namespaces int
	// pods is the number of a selector. none means all pods.
	pods int
}

// portRange is a range of ports of a protocol, or a named port.
type portRange struct {
	protocol corev1.Protocol
	// name is resolved at the destination pod. Empty for a range.
	name        string
	first, last int32
}

const maxPort = 65535 // RFC 9293, RFC 768, RFC 9260: 16 bits

// compile compiles a policy. Absent fields have the API server's defaults.
func (e *Evaluator) compile(p *networkingv1.NetworkPolicy) (*policy, error) {
	compiled := &policy{name: types.NamespacedName{Namespace: p.Namespace, Name: p.Name}}
	var err error
	if compiled.pods, err = e.pods.add(&p.Spec.PodSelector); err != nil {
		return nil, fmt.Errorf("podSelector: %w", err)
	}
	if compiled.isolates, err = isolates(p.Spec); err != nil {
		return nil, err
	}
	for i, in := range p.Spec.Ingress {
		r, err := e.compileRule(in.From, in.Ports)
		if err != nil {
			return nil, fmt.Errorf("ingress rule %d: %w", i, err)
		}
		compiled.rules[ingress] = append(compiled.rules[ingress], r)
	}
	for i, out := range p.Spec.Egress {
		r, err := e.compileRule(out.To, out.Ports)
		if err != nil {
			return nil, fmt.Errorf("egress rule %d: %w", i, err)
		}
		compiled.rules[egress] = append(compiled.rules[egress], r)
	}
	return compiled, nil
}

// isolates returns the directions of a policy. The default of policyTypes is ingress, and egress when there is an egress rule.
func isolates(spec networkingv1.NetworkPolicySpec) (found [directions]bool, err error) {
	if len(spec.PolicyTypes) == 0 {
		return [directions]bool{ingress: true, egress: len(spec.Egress) > 0}, nil
	}
	for _, t := range spec.PolicyTypes {
		switch t {
		case networkingv1.PolicyTypeIngress:
			found[ingress] = true
		case networkingv1.PolicyTypeEgress:
			found[egress] = true
		default:
			return found, fmt.Errorf("policyTypes: %q is neither Ingress nor Egress", t)
		}
	}
	return found, nil
}

func (e *Evaluator) compileRule(peers []networkingv1.NetworkPolicyPeer, ports []networkingv1.NetworkPolicyPort) (rule, error) {
	var r rule
	for i := range peers {
		p, err := e.compilePeer(&peers[i])
		if err != nil {
			return rule{}, fmt.Errorf("peer %d: %w", i, err)
		}
		r.peers = append(r.peers, p)
	}
	for i := range ports {
		p, err := compilePort(ports[i])
		if err != nil {
			return rule{}, fmt.Errorf("port %d: %w", i, err)
		}
		r.ports = append(r.ports, p)
	}
	return r, nil
}

func (e *Evaluator) compilePeer(p *networkingv1.NetworkPolicyPeer) (peer, error) {
	compiled := peer{block: none, namespaces: none, pods: none}
	if p.IPBlock != nil {
		if p.PodSelector != nil || p.NamespaceSelector != nil {
			return peer{}, errors.New("ipBlock and a selector in one peer: write one peer for each")
		}
		b, err := compileBlock(p.IPBlock)
		if err != nil {
			return peer{}, err
		}
		compiled.block = e.addBlock(b)
		return compiled, nil
	}
	if p.PodSelector == nil && p.NamespaceSelector == nil {
		return peer{}, errors.New("empty peer: write podSelector, namespaceSelector or ipBlock")
	}
	var err error
	if p.NamespaceSelector != nil {
		if compiled.namespaces, err = e.namespaces.add(p.NamespaceSelector); err != nil {
			return peer{}, fmt.Errorf("namespaceSelector: %w", err)
		}
	}
	if p.PodSelector != nil {
		if compiled.pods, err = e.pods.add(p.PodSelector); err != nil {
			return peer{}, fmt.Errorf("podSelector: %w", err)
		}
	}
	return compiled, nil
}

func (e *Evaluator) addBlock(b block) int {
	text := b.String()
	i, known := e.blockByText[text]
	if !known {
		i = len(e.blocks)
		e.blocks, e.blockByText[text] = append(e.blocks, b), i
	}
	return i
}

func compilePort(p networkingv1.NetworkPolicyPort) (portRange, error) {
	compiled := portRange{protocol: corev1.ProtocolTCP}
	if p.Protocol != nil {
		compiled.protocol = *p.Protocol
	}
	switch compiled.protocol {
	case corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP:
	default:
		return portRange{}, fmt.Errorf("protocol %q is not TCP, UDP or SCTP", compiled.protocol)
	}
	switch {
	case p.Port == nil && p.EndPort != nil:
		return portRange{}, errors.New("endPort without port")
	case p.Port == nil:
		compiled.first, compiled.last = 0, maxPort
	case p.Port.Type == intstr.String && p.EndPort != nil:
		return portRange{}, errors.New("endPort with a named port")
	case p.Port.Type == intstr.String && p.Port.StrVal == "":
		return portRange{}, errors.New("the name of the port is empty")
	case p.Port.Type == intstr.String:
		compiled.name = p.Port.StrVal
	default:
		compiled.first, compiled.last = p.Port.IntVal, p.Port.IntVal
		if p.EndPort != nil {
			compiled.last = *p.EndPort
		}
		if compiled.first < 1 || compiled.last < compiled.first || compiled.last > maxPort {
			return portRange{}, fmt.Errorf("%d to %d is not a range of ports from 1 to %d", compiled.first, compiled.last, maxPort)
		}
	}
	return compiled, nil
}
