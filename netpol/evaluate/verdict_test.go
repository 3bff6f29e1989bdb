package evaluate_test

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

func policyName(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "im", Name: name}
}

func ingressRule(policy string, index int) evaluate.Rule {
	return evaluate.Rule{Policy: policyName(policy), Direction: networkingv1.PolicyTypeIngress, Index: index}
}

func egressRule(policy string, index int) evaluate.Rule {
	return evaluate.Rule{Policy: policyName(policy), Direction: networkingv1.PolicyTypeEgress, Index: index}
}

// A verdict names all rules that allow a connection: closing an opening requires to change each of them.
func TestAVerdictNamesAllThatDecides(t *testing.T) {
	e := evaluator(t,
		`{podSelector: {}, policyTypes: [Ingress, Egress]}`,
		`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{ports: [{port: 1}]}, {from: [{podSelector: {matchLabels: {app: web}}}]}]}`,
		`{podSelector: {}, policyTypes: [Ingress], ingress: [{ports: [{port: 5432}]}]}`,
		`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{ports: [{port: 5432}]}]}`,
	)
	g := NewWithT(t)
	v := connect(t, e, "im/web > im/db 5432")
	g.Expect(v).To(Equal(evaluate.Verdict{
		Open: true,
		Egress: evaluate.Side{
			Isolated: true, Isolating: []types.NamespacedName{policyName("p0"), policyName("p3")},
			Allowed: true, Rules: []evaluate.Rule{egressRule("p3", 0)},
		},
		Ingress: evaluate.Side{
			Isolated: true, Isolating: []types.NamespacedName{policyName("p0"), policyName("p1"), policyName("p2")},
			Allowed: true, Rules: []evaluate.Rule{ingressRule("p1", 1), ingressRule("p2", 0)},
		},
	}))
}

func TestADenialNamesWhoIsolates(t *testing.T) {
	g := NewWithT(t)
	v := connect(t, evaluator(t, `{podSelector: {}, policyTypes: [Ingress]}`), "other/web > im/db 5432")
	g.Expect(v.Open).To(BeFalse())
	g.Expect(v.Egress).To(Equal(evaluate.Side{Allowed: true}), "no policy selects the source")
	g.Expect(v.Ingress).To(Equal(evaluate.Side{Isolated: true, Isolating: []types.NamespacedName{policyName("p0")}}))
}

func TestWhatPoliciesCannotBindSaysWhy(t *testing.T) {
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress, Egress]}`)
	for text, want := range map[string]struct{ egress, ingress, noPath string }{
		"im/db > im/db 5432":         {evaluate.Self, evaluate.Self, ""},
		"im/agent > im/db 5432":      {evaluate.HostNetwork, evaluate.OwnNode, ""},
		"im/proxy > im/db 5432":      {evaluate.HostNetwork, "", ""},
		"198.51.100.1 > im/db 5432":  {"", evaluate.OwnNode, ""},
		"im/db > im/proxy 80":        {"", evaluate.HostNetwork, ""},
		"im/web > im/db 5432":        {"", "", ""},
		"im/job > im/web 80":         {"", "", evaluate.Finished},
		"other/web > other/six 80":   {"", "", evaluate.NoFamily},
		"2001:db8::7 > other/web 80": {"", "", evaluate.NoFamily},
	} {
		v := connect(t, e, text)
		NewWithT(t).Expect([]string{v.Egress.Unenforceable, v.Ingress.Unenforceable, v.NoPath}).
			To(Equal([]string{want.egress, want.ingress, want.noPath}), text)
	}
}

// Whatever policies are written: a node that may be the pod's own gets through, so that is what an audit must say.
func TestANodeThatIsNotKnownMayBeThePodsOwn(t *testing.T) {
	g := NewWithT(t)
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress]}`)
	_, pods := fixture()
	pods["im/proxy"].Spec.NodeName, pods["im/proxy"].Status = "", corev1.PodStatus{}
	v := e.Connect(evaluate.End{Pod: pods["im/proxy"]}, evaluate.End{Pod: pods["im/db"]}, 5432, "")
	g.Expect(v.Open).To(BeTrue())
	g.Expect(v.Ingress.Unenforceable).To(Equal(evaluate.MaybeOwnNode))
}

// Egress lets IPv4 out and ingress lets IPv6 in: each side allows something, and nothing gets through.
func TestBothSidesMustAllowOneFamily(t *testing.T) {
	g := NewWithT(t)
	e := evaluator(t,
		`{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}`,
		`{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: "fd00::/8"}}]}]}`)
	v := connect(t, e, "im/web > im/db 5432")
	g.Expect([]bool{v.Open, v.Egress.Allowed, v.Ingress.Allowed}).To(Equal([]bool{false, true, true}))
	g.Expect(v.NoPath).To(Equal(evaluate.NoFamily))
}

// An end's address decides for ipBlocks when it is given, over those of the pod's status.
func TestAGivenAddressIsTheOneThatIsUsed(t *testing.T) {
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: "fd00::/8"}}]}]}`)
	from, to := end(t, "im/web"), end(t, "im/db")
	NewWithT(t).Expect(e.Connect(from, to, 80, "").Open).To(BeTrue(), "in either family")
	from.Address = end(t, "10.0.0.1").Address
	NewWithT(t).Expect(e.Connect(from, to, 80, "").Open).To(BeFalse(), "in IPv4")
	from.Address = end(t, "fd00::1").Address
	NewWithT(t).Expect(e.Connect(from, to, 80, "").Open).To(BeTrue(), "in IPv6")
}

func TestGivenNamespaceLabelsCountMoreThanKnownOnes(t *testing.T) {
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{namespaceSelector: {matchLabels: {team: chat, kubernetes.io/metadata.name: other}}}]}]}`)
	from, to := end(t, "other/web"), end(t, "im/db")
	NewWithT(t).Expect(e.Connect(from, to, 80, "").Open).To(BeFalse())
	from.NamespaceLabels = map[string]string{"team": "chat"}
	NewWithT(t).Expect(e.Connect(from, to, 80, "").Open).To(BeTrue())
}

// Two pods of one name are one pod, unless their UIDs differ because the pod was created again.
func TestAPodIsKnownByItsUID(t *testing.T) {
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress]}`)
	old, young := end(t, "im/db"), end(t, "im/db")
	NewWithT(t).Expect(e.Connect(old, young, 80, "").Open).To(BeTrue())
	old.Pod.UID, young.Pod.UID = "old", "young"
	NewWithT(t).Expect(e.Connect(old, young, 80, "").Open).To(BeFalse())
}

// What the API server would refuse cannot be in force. It is named, and the other policies are judged all the same.
func TestInvalidPoliciesAreNamed(t *testing.T) {
	for spec, want := range map[string]string{
		`{podSelector: {matchExpressions: [{key: a, operator: Near, values: [b]}]}}`: `podSelector: "Near" is not a valid label selector operator`,
		`{podSelector: {matchExpressions: [{key: a, operator: In}]}}`:                `podSelector: `,
		`{policyTypes: [Sideways]}`:                                                                           `policyTypes: "Sideways" is neither Ingress nor Egress`,
		`{ingress: [{}, {from: [{}]}]}`:                                                                       `ingress rule 1: peer 0: empty peer`,
		`{egress: [{to: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]}`:                                  `egress rule 0: peer 0: ipBlock and a selector in one peer`,
		`{egress: [{to: [{podSelector: {}}, {ipBlock: {cidr: 10.0.0.0}}]}]}`:                                  `egress rule 0: peer 1: ipBlock: "10.0.0.0" is not a block of addresses`,
		`{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [here]}}]}]}`:                                `except: "here" is not a block of addresses`,
		`{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/9]}}]}]}`:                          `except: "11.0.0.0/9" is not a part of "10.0.0.0/8"`,
		`{ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]}`:                          `except: "10.0.0.0/8" is not a part of "10.0.0.0/8"`,
		`{ingress: [{from: [{ipBlock: {cidr: "::/0", except: [10.0.0.0/8]}}]}]}`:                              `except: "10.0.0.0/8" is not a part of "::/0"`,
		`{ingress: [{from: [{namespaceSelector: {matchLabels: {"no/such/key": b}}}]}]}`:                       `ingress rule 0: peer 0: namespaceSelector: `,
		`{ingress: [{ports: [{protocol: ICMP}]}]}`:                                                            `ingress rule 0: port 0: protocol "ICMP" is not TCP, UDP or SCTP`,
		`{ingress: [{ports: [{port: 0}]}]}`:                                                                   `0 to 0 is not a range of ports`,
		`{ingress: [{ports: [{port: 65536}]}]}`:                                                               `65536 to 65536 is not a range of ports`,
		`{ingress: [{ports: [{port: 10, endPort: 9}]}]}`:                                                      `10 to 9 is not a range of ports`,
		`{ingress: [{ports: [{endPort: 9}]}]}`:                                                                `endPort without port`,
		`{ingress: [{ports: [{port: http, endPort: 9}]}]}`:                                                    `endPort with a named port`,
		`{ingress: [{ports: [{port: ""}]}]}`:                                                                  `the name of the port is empty`,
		`{ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]}]}`: `ingress rule 0: peer 0: podSelector: `,
	} {
		t.Run(want, func(t *testing.T) {
			g := NewWithT(t)
			namespaces, _ := fixture()
			e, err := evaluate.New(namespaces, policies(t, spec, `{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}`))
			g.Expect(err).To(MatchError(And(HavePrefix("NetworkPolicy im/p0 is not valid: "), ContainSubstring(want))))
			g.Expect(connect(t, e, "im/db > im/web 80").Open).To(BeTrue(), "the first does not count")
			g.Expect(connect(t, e, "im/web > im/db 80").Open).To(BeFalse(), "the second does")
		})
	}
}

func TestAllPoliciesThatAreNotValidAreNamedAtOnce(t *testing.T) {
	_, err := evaluate.New(nil, policies(t, `{policyTypes: [Up]}`, `{}`, `{policyTypes: [Down]}`))
	NewWithT(t).Expect(err).To(MatchError(And(ContainSubstring("im/p0"), ContainSubstring("im/p2"), Not(ContainSubstring("im/p1")))))
}
