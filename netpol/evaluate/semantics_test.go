package evaluate_test

import (
	"testing"

	. "github.com/onsi/gomega"
)

// The meaning of policies, line by line, each with the sentence that it follows: of the Go documentation of networking.k8s.io/v1, or of
// the page "Network Policies" of the Kubernetes documentation ("the page").
var semantics = []struct {
	name, says string
	policies   []string
	open, shut []string
}{
	// Isolation.
	{
		"without policies everything is open",
		`NetworkPolicySpec.ingress: "Traffic is allowed to a pod if there are no NetworkPolicies selecting the pod"`,
		nil,
		[]string{"im/web > im/db 5432", "other/web > im/db 1/SCTP", "192.0.2.7 > im/db 53/UDP", "im/db > 2001:db8::7 443"}, nil,
	},
	{
		"an empty podSelector selects all pods of its namespace, and no other",
		`podSelector: "An empty selector matches all pods in the policy's namespace."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress]}`},
		[]string{"im/web > infra/db 5432", "im/web > other/web 80"},
		[]string{"im/web > im/db 5432", "other/web > im/web 80", "192.0.2.7 > im/db 5432", "2001:db8::7 > im/db 5432"},
	},
	{
		"an absent podSelector is an empty one",
		`podSelector: "This field is optional. If it is not specified, it defaults to an empty selector."`,
		[]string{`{policyTypes: [Ingress]}`}, []string{"im/web > infra/db 5432"}, []string{"im/web > im/db 5432"},
	},
	{
		"pods that no policy selects stay open",
		`the page: "By default, a pod is non-isolated for ingress; all inbound connections are allowed."`,
		[]string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}`},
		[]string{"im/db > im/web 80"}, []string{"im/web > im/db 5432"},
	},
	{
		"a policy for ingress leaves egress open",
		`the page: "There are two sorts of isolation for a pod: isolation for egress, and isolation for ingress. [...] They are independent"`,
		[]string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}`},
		[]string{"im/db > im/web 80", "im/db > 192.0.2.7 443"}, []string{"im/web > im/db 5432"},
	},
	{
		"a policy for egress leaves ingress open",
		`the same`,
		[]string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Egress]}`},
		[]string{"im/web > im/db 5432", "192.0.2.7 > im/db 5432"}, []string{"im/db > im/web 80", "im/db > 192.0.2.7 443"},
	},
	{
		"both sides must allow",
		`the page: "both the egress policy on the source pod and the ingress policy on the destination pod need to allow the connection"`,
		[]string{
			`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 80}, {port: 81}]}]}`,
			`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{ports: [{port: 81}, {port: 82}]}]}`,
		},
		[]string{"im/web > im/db 81"}, []string{"im/web > im/db 80", "im/web > im/db 82"},
	},
	{
		"policies add up",
		`the page: "Network policies do not conflict; they are additive."`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress]}`,
			`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`,
			`{podSelector: {matchLabels: {tier: store}}, policyTypes: [Ingress], ingress: [{ports: [{port: 9100}]}]}`,
		},
		[]string{"im/web > im/db 5432", "other/web > im/db 9100"}, []string{"other/web > im/db 5432", "im/db > im/web 9100"},
	},

	// policyTypes.
	{
		"absent policyTypes and no rules: ingress alone",
		`policyTypes: "all policies (whether or not they contain an ingress section) are assumed to affect ingress"`,
		[]string{`{podSelector: {}}`}, []string{"im/web > 192.0.2.7 443"}, []string{"192.0.2.7 > im/web 80"},
	},
	{
		"absent policyTypes and an egress rule: both",
		`policyTypes: "policies that contain an egress section are assumed to affect egress"`,
		[]string{`{podSelector: {}, egress: [{to: [{podSelector: {}}]}]}`},
		nil, []string{"im/web > 192.0.2.7 443", "192.0.2.7 > im/web 80", "im/web > im/db 5432"},
	},
	{
		"absent policyTypes and an empty egress section: ingress alone",
		`policyTypes: "such a policy would not include an egress section and would otherwise default to just [ "Ingress" ]"`,
		[]string{`{podSelector: {}, egress: []}`}, []string{"im/web > 192.0.2.7 443"}, []string{"192.0.2.7 > im/web 80"},
	},
	{
		"rules of a direction that policyTypes leaves out say nothing",
		`policyTypes: "a list of rule types that the NetworkPolicy relates to"`,
		[]string{
			`{podSelector: {}, policyTypes: [Egress], ingress: [{}], egress: [{to: [{podSelector: {}}]}]}`,
			`{podSelector: {}, policyTypes: [Ingress]}`,
		},
		nil, []string{"192.0.2.7 > im/web 80", "im/web > im/db 5432"},
	},

	// Peers.
	{
		"an absent list of peers is anyone",
		`from: "If this field is empty or missing, this rule matches all sources (traffic not restricted by source)."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 80}]}]}`},
		[]string{"192.0.2.7 > im/web 80", "2001:db8::7 > im/web 80", "other/six > im/web 80", "im/db > im/web 80"}, []string{"im/db > im/web 81"},
	},
	{
		"an empty list of peers is anyone",
		`the same`,
		[]string{`{podSelector: {}, policyTypes: [Egress], egress: [{to: [], ports: [{port: 80}]}]}`},
		[]string{"im/web > 192.0.2.7 80", "im/web > other/web 80"}, []string{"im/web > 192.0.2.7 81"},
	},
	{
		"an empty rule is anyone on any port; an empty list of rules is nobody",
		`ingress: "If this field is empty then this NetworkPolicy does not allow any traffic"`,
		[]string{
			`{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{}]}`,
			`{podSelector: {}, policyTypes: [Ingress], ingress: []}`,
		},
		[]string{"192.0.2.7 > im/web 1/SCTP"}, []string{"192.0.2.7 > im/db 5432"},
	},
	{
		"a podSelector alone stays in the policy's namespace",
		`NetworkPolicyPeer.podSelector: "Otherwise it selects the pods matching podSelector in the policy's own namespace."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`},
		[]string{"im/web > im/db 5432"}, []string{"other/web > im/db 5432"},
	},
	{
		"an empty podSelector is all pods of the namespace, and no address outside",
		`NetworkPolicyPeer.podSelector: "if present but empty, it selects all pods"`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}]}]}`},
		[]string{"im/web > im/db 5432"}, []string{"other/web > im/db 5432", "192.0.2.7 > im/db 5432", "? > im/db 5432"},
	},
	{
		"a namespaceSelector alone is all pods of the namespaces",
		`NetworkPolicyPeer.namespaceSelector: "Otherwise it selects all pods in the namespaces selected by namespaceSelector."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: stores}}}]}]}`},
		[]string{"infra/db > im/db 5432"}, []string{"im/web > im/db 5432", "other/web > im/db 5432", "10.0.1.2 > im/db 5432"},
	},
	{
		"an empty namespaceSelector is all pods, and no address outside",
		`NetworkPolicyPeer.namespaceSelector: "if present but empty, it selects all namespaces"`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {}}]}]}`},
		[]string{"infra/db > im/db 5432", "other/six > im/db 5432"}, []string{"192.0.2.7 > im/db 5432", "2001:db8::7 > im/db 5432"},
	},
	{
		"both selectors in one peer must match",
		`NetworkPolicyPeer: "selects the pods matching podSelector in the namespaces selected by namespaceSelector"`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: stores}}, podSelector: {matchLabels: {app: web}}}]}]}`,
		},
		nil, []string{"infra/db > im/db 5432", "im/web > im/db 5432"},
	},
	{
		"in two peers one suffices",
		`from: "Items in this list are combined using a logical OR operation."`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: stores}}}, {podSelector: {matchLabels: {app: web}}}]}]}`,
		},
		[]string{"infra/db > im/db 5432", "im/web > im/db 5432"}, []string{"other/web > im/db 5432"},
	},
	{
		"each namespace has its name as a label",
		`the page, "Targeting a Namespace by its name": "the Kubernetes control plane sets an immutable label kubernetes.io/metadata.name on all namespaces"`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: infra}}}]}]}`,
		},
		[]string{"infra/db > im/db 5432"}, []string{"other/web > im/db 5432"},
	},
	{
		"a policy of another namespace selects nothing here, but its peers may be here",
		`podSelector: "all pods in the policy's namespace"`,
		[]string{`infra | {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: chat}}}]}]}`},
		[]string{"im/web > infra/db 5432", "other/web > im/db 5432"}, []string{"other/web > infra/db 5432"},
	},

	// Selectors.
	{
		"In", `LabelSelectorRequirement.operator: "Valid operators are In, NotIn, Exists and DoesNotExist."`,
		[]string{`{podSelector: {matchExpressions: [{key: app, operator: In, values: [db, cache]}]}, policyTypes: [Ingress]}`},
		[]string{"im/db > im/web 80"}, []string{"im/web > im/db 5432"},
	},
	{
		"NotIn also matches pods without the label",
		`labels.Requirement.Matches: "The operator is DoesNotExist or NotIn and Labels does not have the Requirement's key."`,
		[]string{`{podSelector: {matchExpressions: [{key: tier, operator: NotIn, values: [store]}]}, policyTypes: [Ingress]}`},
		[]string{"im/web > im/db 5432"}, []string{"im/db > im/web 80"},
	},
	{
		"Exists", `labels.Requirement.Matches: "The operator is Exists and Labels has the Requirement's key."`,
		[]string{`{podSelector: {matchExpressions: [{key: tier, operator: Exists}]}, policyTypes: [Ingress]}`},
		[]string{"im/db > im/web 80"}, []string{"im/web > im/db 5432"},
	},
	{
		"DoesNotExist", `the same`,
		[]string{`{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}, policyTypes: [Ingress]}`},
		[]string{"im/web > im/db 5432"}, []string{"im/db > im/web 80"},
	},
	{
		"labels and expressions must all match",
		`LabelSelector: "The result of matchLabels and matchExpressions are ANDed."`,
		[]string{
			`{podSelector: {matchLabels: {app: db}, matchExpressions: [{key: tier, operator: In, values: [cache]}]}, policyTypes: [Ingress]}`,
		},
		[]string{"im/web > im/db 5432"}, nil,
	},
	{
		"an empty value is not an absent label",
		`matchLabels: "equivalent to an element of matchExpressions, whose key field is "key", the operator is "In""`,
		[]string{`{podSelector: {matchLabels: {tier: ""}}, policyTypes: [Ingress]}`},
		[]string{"im/db > im/web 80", "im/web > im/db 5432"}, nil,
	},

	// Ports.
	{
		"an absent or empty list of ports is all ports of all protocols",
		`ports: "If this field is empty or missing, this rule matches all ports (traffic not restricted by port)."`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: []}, {from: [{podSelector: {}}]}]}`,
		},
		[]string{
			"192.0.2.7 > im/db 1",
			"192.0.2.7 > im/db 65535/UDP",
			"192.0.2.7 > im/db 7/SCTP",
			"im/web > im/db 9/UDP",
		}, []string{"198.51.100.9 > im/db 1"},
	},
	{
		"the protocol is TCP unless it is said",
		`NetworkPolicyPort.protocol: "If not specified, this field defaults to TCP."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 53}]}]}`},
		[]string{"im/web > im/db 53", "im/web > im/db 53/TCP"}, []string{"im/web > im/db 53/UDP", "im/web > im/db 53/SCTP"},
	},
	{
		"a protocol without a port is all its ports",
		`NetworkPolicyPort.port: "If this field is not provided, this matches all port names and numbers."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{protocol: UDP}]}]}`},
		[]string{"im/web > im/db 1/UDP", "im/web > im/db 65535/UDP"}, []string{"im/web > im/db 1"},
	},
	{
		"SCTP", `NetworkPolicyPort.protocol: "represents the protocol (TCP, UDP, or SCTP) which traffic must match"`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{protocol: SCTP, port: 80}]}]}`},
		[]string{"im/web > im/db 80/SCTP"}, []string{"im/web > im/db 80", "im/web > im/db 80/UDP"},
	},
	{
		"a range includes both its ends",
		`NetworkPolicyPort.endPort: "the range of ports from port to endPort if set, inclusive"`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 100, endPort: 200}, {port: 300, endPort: 300}]}]}`},
		[]string{"im/web > im/db 100", "im/web > im/db 150", "im/web > im/db 200", "im/web > im/db 300"},
		[]string{"im/web > im/db 99", "im/web > im/db 201", "im/web > im/db 301", "im/web > im/db 150/UDP"},
	},
	{
		"peers and ports must both match",
		`NetworkPolicyIngressRule: "The traffic must match both ports and from."`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{podSelector: {}}], ports: [{port: 80}]}, {from: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 81}]}]}`,
		},
		[]string{"im/web > im/db 80", "192.0.2.7 > im/db 81"}, []string{"im/web > im/db 81", "192.0.2.7 > im/db 80"},
	},
	{
		"a name is every port of that name and protocol of the destination",
		`NetworkPolicyPort.port: "This can either be a numerical or named port on a pod."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: sql}, {port: dns, protocol: UDP}]}]}`},
		[]string{"im/web > im/db 5432", "im/web > im/db 5433", "im/web > im/db 53/UDP"},
		[]string{"im/web > im/db 53", "im/web > im/db 5432/UDP", "im/web > im/db 3306", "im/db > im/web 5432"},
	},
	{
		"a name of egress is resolved at each destination",
		`NetworkPolicyEgressRule.ports: "a list of destination ports for outgoing traffic"`,
		[]string{`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: sql}]}]}`},
		[]string{"im/web > im/db 5432", "im/web > infra/db 3306"},
		[]string{"im/web > infra/db 5432", "im/web > im/db 3306", "im/web > 192.0.2.7 5432", "im/web > other/web 5432"},
	},
	{
		"sidecars have ports; init and ephemeral containers have none",
		`KEP-753: restartable init containers run beside the others; EphemeralContainerCommon.ports: "Ports are not allowed for ephemeral containers."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: proxy}, {port: setup}, {port: debug}]}]}`},
		[]string{"im/web > im/db 15001"}, []string{"im/web > im/db 9999", "im/web > im/db 4444"},
	},

	// Blocks of addresses.
	{
		"a block without its exceptions",
		`IPBlock.except: "a slice of CIDRs that should not be included within an IPBlock"`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.64/26, 192.0.2.7/32]}}]}]}`,
		},
		[]string{"192.0.2.0 > im/db 80", "192.0.2.255 > im/db 80", "192.0.2.63 > im/db 80"},
		[]string{"192.0.2.7 > im/db 80", "192.0.2.64 > im/db 80", "192.0.2.127 > im/db 80", "192.0.3.0 > im/db 80", "2001:db8::7 > im/db 80"},
	},
	{
		"an exception is of its block alone",
		`from: "combined using a logical OR operation"`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/25]}}, {ipBlock: {cidr: 192.0.2.0/28}}]}]}`,
		},
		[]string{"192.0.2.7 > im/db 80"}, []string{"192.0.2.16 > im/db 80"},
	},
	{
		"IPv6",
		`IPBlock.cidr: "Valid examples are "192.168.1.0/24" or "2001:db8::/64""`,
		[]string{`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: "2001:db8::/32", except: ["2001:db8:1::/48"]}}]}]}`},
		[]string{"im/web > 2001:db8::7 443"}, []string{"im/web > 2001:db8:1::7 443", "im/web > 192.0.2.7 443"},
	},
	{
		"0.0.0.0/0 is not IPv6, and ::/0 not IPv4",
		`the same`,
		[]string{
			`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}`,
			`{podSelector: {matchLabels: {app: web}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}`,
		},
		[]string{"192.0.2.7 > im/db 80", "2001:db8::7 > im/web 80", "? > im/db 80", "? > im/web 80"},
		[]string{"2001:db8::7 > im/db 80", "192.0.2.7 > im/web 80", "other/six > im/db 80", "other/web > im/web 80"},
	},
	{
		"a block matches pods by their addresses",
		`the page: "These should be cluster-external IPs, since Pod IPs are ephemeral and unpredictable": should, not must`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.2.0/24}}]}]}`},
		[]string{"other/web > im/db 80"}, []string{"infra/db > im/db 80", "other/six > im/db 80", "? > im/db 80"},
	},
	{
		"a pod of both families gets through in either",
		`KEP-563, dual-stack: a pod has an address of each family, and either may be used`,
		[]string{
			`infra | {podSelector: {}, policyTypes: [Ingress]}`,
			`other | {podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: "fd00::1/128"}}]}]}`,
		},
		[]string{"im/web > other/six 80"}, []string{"im/web > other/web 80", "im/db > other/six 80"},
	},
	{
		"an IPv4 address that is written as IPv6, and bits behind the mask",
		`RFC 4291, 2.5.5.2; IPBlock.cidr is parsed as the address and the mask`,
		[]string{
			`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: "::ffff:192.0.2.0/120"}}, {ipBlock: {cidr: 198.51.100.77/25}}]}]}`,
		},
		[]string{
			"192.0.2.7 > im/db 80",
			"::ffff:192.0.2.7 > im/db 80",
			"198.51.100.3 > im/db 80",
		}, []string{"192.0.3.7 > im/db 80", "198.51.100.200 > im/db 80"},
	},

	// What policies do not bind.
	{
		"a pod reaches itself",
		`the page: "exception: a pod cannot block access to itself"`,
		[]string{`{podSelector: {}, policyTypes: [Ingress, Egress]}`}, []string{"im/db > im/db 5432"}, []string{"im/web > im/db 5432"},
	},
	{
		"the node of a pod reaches it, and it the node",
		`the page: "traffic to and from the node where a Pod is running is always allowed"; ingress: "OR if the traffic source is the pod's local node"`,
		[]string{`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress, Egress]}`},
		[]string{"198.51.100.1 > im/db 5432", "im/agent > im/db 5432", "im/db > im/agent 80", "im/db > 198.51.100.1 22"},
		[]string{"198.51.100.2 > im/db 5432", "im/proxy > im/db 5432", "im/db > im/proxy 80"},
	},
	{
		"no selector matches a pod on its node's network: it is its node",
		`the page, "NetworkPolicy and hostNetwork pods": "it ignores hostNetwork pods when matching podSelector and namespaceSelector"`,
		[]string{`{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{from: [{podSelector: {}}, {namespaceSelector: {}}]}]}`},
		[]string{"other/web > im/proxy 80", "im/proxy > other/web 80", "im/proxy > 192.0.2.7 80"},
		[]string{"im/proxy > im/db 5432"},
	},
	{
		"a block matches a pod on its node's network by the node's address",
		`the same: "Traffic to/from hostNetwork pods is treated the same as all other traffic to/from the node IP."`,
		[]string{`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 198.51.100.2/32}}]}]}`},
		[]string{"im/proxy > im/db 5432"}, []string{"infra/db > im/db 5432"},
	},
	{
		"a name is not resolved at a pod on its node's network",
		`the same: it is an address`,
		[]string{`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: sql}]}]}`},
		nil, []string{"im/web > im/proxy 5432"},
	},
	{
		"a pod that has finished reaches nobody and is reached by nobody",
		`PodSucceeded: "all containers in the pod have voluntarily terminated", PodFailed: "all containers in the pod have terminated"; its address may be another pod's by now`,
		nil, nil, []string{"im/job > im/web 80", "im/web > im/job 80", "im/crashed > im/web 80", "192.0.2.7 > im/crashed 80",
			"im/job > im/job 80"},
	},
	{
		"ends without a common address family have no connection",
		`IPv4 and IPv6 do not speak to each other`,
		nil, []string{"im/web > other/six 80", "im/web > other/web 80"}, []string{"other/web > other/six 80", "192.0.2.7 > other/six 80",
			"other/six > 192.0.2.7 80"},
	},
}

func TestPoliciesMeanWhatTheirAPISays(t *testing.T) {
	for _, line := range semantics {
		t.Run(line.name, func(t *testing.T) {
			NewWithT(t).Expect(line.says).NotTo(BeEmpty())
			e := evaluator(t, line.policies...)
			for _, text := range line.open {
				v := connect(t, e, text)
				NewWithT(t).Expect(v.Open).To(BeTrue(), "%s\n%s\n%+v", text, line.says, v)
			}
			for _, text := range line.shut {
				v := connect(t, e, text)
				NewWithT(t).Expect(v.Open).To(BeFalse(), "%s\n%s\n%+v", text, line.says, v)
			}
		})
	}
}
