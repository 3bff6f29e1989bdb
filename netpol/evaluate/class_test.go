package evaluate_test

import (
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// names of the pods of each class.
func names(classes []*evaluate.Class) [][]string {
	var all [][]string
	for _, c := range classes {
		var pods []string
		for _, p := range c.Pods {
			pods = append(pods, p.Namespace+"/"+p.Name)
		}
		all = append(all, pods)
	}
	return all
}

func classes(e *evaluate.Evaluator, apart func(*corev1.Pod) string, pods ...string) []*evaluate.Class {
	_, all := fixture()
	var given []corev1.Pod
	for _, name := range pods {
		given = append(given, *all[name])
	}
	return e.Classes(given, apart)
}

func TestPodsThatNoPolicyTellsApartAreOneClass(t *testing.T) {
	pods := []string{"im/web", "im/db", "infra/db", "other/web"}
	for _, c := range []struct {
		name     string
		policies []string
		want     [][]string
	}{
		{"no policies", nil, [][]string{{"im/web", "im/db"}, {"infra/db", "other/web"}}}, // two families, and one
		{"a policy distinguishes its namespace", []string{`{podSelector: {}}`}, [][]string{{"im/web", "im/db"}, {"infra/db", "other/web"}}},
		{
			"a selector distinguishes labels", []string{`{podSelector: {matchLabels: {app: db}}}`},
			[][]string{{"im/web"}, {"im/db"}, {"infra/db"}, {"other/web"}},
		},
		{
			"a namespaceSelector distinguishes namespaces",
			[]string{`{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: stores}}}]}]}`},
			[][]string{{"im/web", "im/db"}, {"infra/db"}, {"other/web"}},
		},
		{
			"a block distinguishes addresses", []string{`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.1/32}}]}]}`},
			[][]string{{"im/web"}, {"im/db"}, {"infra/db", "other/web"}},
		},
		{
			"a name distinguishes ports", []string{`{podSelector: {}, ingress: [{ports: [{port: sql}]}]}`},
			[][]string{{"im/web"}, {"im/db"}, {"infra/db"}, {"other/web"}},
		},
		{
			"a number does not", []string{`{podSelector: {}, ingress: [{ports: [{port: 5432}]}]}`},
			[][]string{{"im/web", "im/db"}, {"infra/db", "other/web"}},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			NewWithT(t).Expect(names(classes(evaluator(t, c.policies...), nil, pods...))).To(Equal(c.want))
		})
	}
}

func TestClassesMayBeToldApartByTheirCaller(t *testing.T) {
	found := classes(evaluator(t), func(p *corev1.Pod) string { return p.Name }, "im/web", "im/db", "infra/db", "other/web")
	NewWithT(t).Expect(names(found)).To(Equal([][]string{{"im/web"}, {"im/db"}, {"infra/db"}, {"other/web"}}))
}

func TestPodsWithoutAnOrdinaryNetworkAreClassesOfTheirOwn(t *testing.T) {
	g := NewWithT(t)
	found := classes(evaluator(t), nil, "infra/db", "im/agent", "im/proxy", "im/job", "other/web")
	g.Expect(names(found)).To(Equal([][]string{{"infra/db", "other/web"}, {"im/agent"}, {"im/proxy"}, {"im/job"}}))
	g.Expect([]bool{found[0].OnHostNetwork(), found[1].OnHostNetwork(), found[3].OnHostNetwork()}).To(Equal([]bool{false, true, false}))
	g.Expect([]bool{found[0].Finished(), found[1].Finished(), found[3].Finished()}).To(Equal([]bool{false, false, true}))
}

// A class with itself is two of its pods: the replicas of a workload. A pod with itself is another matter.
func TestAClassWithItselfIsTwoOfItsPods(t *testing.T) {
	g := NewWithT(t)
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress]}`)
	web := classes(e, nil, "im/web")[0]
	g.Expect(e.Between(web, web, 80, "").Open).To(BeFalse())
	g.Expect(e.Reaches(web, web, 80, "")).To(BeFalse())
	g.Expect(connect(t, e, "im/web > im/web 80").Open).To(BeTrue())
}

// Pods of a class may run on several nodes: a node reaches the pods that run on it.
func TestANodeReachesAClassWhenOneOfItsPodsRunsThere(t *testing.T) {
	g := NewWithT(t)
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress]}`, `infra | {podSelector: {}, policyTypes: [Ingress]}`)
	found := classes(e, nil, "im/web", "im/db", "infra/db", "im/agent", "im/proxy")
	g.Expect(names(found)).To(Equal([][]string{{"im/web", "im/db"}, {"infra/db"}, {"im/agent"}, {"im/proxy"}}))
	north, south := found[2], found[3]
	g.Expect(e.Between(north, found[0], 80, "").Ingress.Unenforceable).To(Equal(evaluate.OwnNode))
	g.Expect(e.Reaches(south, found[0], 80, "")).To(BeFalse())
	g.Expect(e.Reaches(south, found[1], 80, "")).To(BeTrue())
	g.Expect(e.Reaches(north, found[1], 80, "")).To(BeFalse())
}

func TestWhichPoliciesSelectAndWhomTheySelect(t *testing.T) {
	g := NewWithT(t)
	e := evaluator(t, `{podSelector: {matchLabels: {app: db}}}`, `{podSelector: {}, policyTypes: [Egress]}`, `infra | {podSelector: {}}`)
	found := classes(e, nil, "im/web", "im/db", "infra/db", "im/proxy")
	g.Expect(e.PoliciesSelecting(found[1], networkingv1.PolicyTypeIngress)).To(Equal([]types.NamespacedName{policyName("p0")}))
	g.Expect(e.PoliciesSelecting(found[1], networkingv1.PolicyTypeEgress)).To(Equal([]types.NamespacedName{policyName("p1")}))
	g.Expect(e.PoliciesSelecting(found[0], networkingv1.PolicyTypeIngress)).To(BeEmpty())
	g.Expect(names(e.Selected(policyName("p0"), found))).To(Equal([][]string{{"im/db"}}))
	g.Expect(names(e.Selected(policyName("p1"), found))).To(Equal([][]string{{"im/web"}, {"im/db"}}), "not the one on its node's network")
	g.Expect(e.Selected(policyName("none"), found)).To(BeEmpty())
}

func TestWhomARuleLetsIn(t *testing.T) {
	g := NewWithT(t)
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress], ingress: [
		{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: 10.0.1.0/24, except: [10.0.1.128/25]}}], ports: [{port: sql}, {port: 1, endPort: 9, protocol: UDP}, {protocol: SCTP}]},
		{}], egress: [{}]}`)
	found := classes(e, nil, "im/web", "im/db", "infra/db", "other/web", "im/job", "im/agent")
	g.Expect(e.Rules(policyName("p0"))).To(Equal([]evaluate.Rule{ingressRule("p0", 0), ingressRule("p0", 1)}), "egress is not what it is for")
	g.Expect(e.Rules(policyName("none"))).To(BeEmpty())

	p, ok := e.RulePeers(ingressRule("p0", 0), found)
	g.Expect(ok).To(BeTrue())
	g.Expect(names(p.Classes)).To(Equal([][]string{{"im/web"}, {"infra/db"}, {"other/web"}}))
	g.Expect(p.Anyone).To(BeFalse())
	g.Expect(p.Blocks).
		To(Equal([]evaluate.Block{{Prefix: netip.MustParsePrefix("10.0.1.0/24"),
			Except: []netip.Prefix{netip.MustParsePrefix("10.0.1.128/25")}}}))
	g.Expect(p.AllPorts).To(BeFalse())
	g.Expect(p.Ports).To(Equal([]evaluate.Ports{
		{
			Protocol: corev1.ProtocolTCP,
			Name:     "sql",
		}, {Protocol: corev1.ProtocolUDP, First: 1, Last: 9}, {Protocol: corev1.ProtocolSCTP, First: 0, Last: 65535},
	}))

	p, ok = e.RulePeers(ingressRule("p0", 1), found)
	g.Expect(ok).To(BeTrue())
	g.Expect([]bool{p.Anyone, p.AllPorts}).To(Equal([]bool{true, true}))
	g.Expect(names(p.Classes)).To(Equal([][]string{{"im/web"}, {"im/db"}, {"infra/db"}, {"other/web"}, {"im/agent"}}), "all but those that "+
		"have finished")

	for _, absent := range []evaluate.Rule{ingressRule("p0", 2), ingressRule("p0", -1), egressRule("p0", 0), ingressRule("none", 0)} {
		_, ok = e.RulePeers(absent, found)
		g.Expect(ok).To(BeFalse(), "%v", absent)
		g.Expect(e.Covers(absent, found[1], 5432, "")).To(BeFalse())
	}
}

func TestWhichPortsARuleCovers(t *testing.T) {
	g := NewWithT(t)
	e := evaluator(t, `{podSelector: {}, ingress: [{ports: [{port: sql}, {port: 53, protocol: UDP}]}]}`)
	found := classes(e, nil, "im/web", "im/db")
	g.Expect(e.Covers(ingressRule("p0", 0), found[1], 5432, "")).To(BeTrue(), "TCP unless it is said")
	g.Expect(e.Covers(ingressRule("p0", 0), found[0], 5432, corev1.ProtocolTCP)).To(BeFalse(), "it has no port of that name")
	g.Expect(e.Covers(ingressRule("p0", 0), found[0], 53, corev1.ProtocolUDP)).To(BeTrue())
	g.Expect(e.Covers(ingressRule("p0", 0), found[0], 53, corev1.ProtocolTCP)).To(BeFalse())
}

func TestAddressesOutsideFallIntoClasses(t *testing.T) {
	g := NewWithT(t)
	e := evaluator(
		t,
		`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/25]}}, {ipBlock: {cidr: "2001:db8::/32"}}]}]}`,
	)
	db := e.ClassOf(end(t, "im/db"))
	var open, shut []string
	for _, c := range e.AddressClasses() {
		for _, p := range c.Prefixes {
			if e.Reaches(c, db, 80, "") {
				open = append(open, p.String())
			} else {
				shut = append(shut, p.String())
			}
		}
	}
	g.Expect(open).To(Equal([]string{"192.0.2.128/25", "2001:db8::/32"}))
	g.Expect(shut).To(HaveLen(24+1+32), "what is left of IPv4 beside a /24, the excepted half, and what is left of IPv6 beside a /32")
	g.Expect(e.AddressClasses()).To(HaveLen(4), "of each family those that are let in and those that are not")
}

func TestWithoutBlocksThereIsOneClassOfAddressesOfEachFamily(t *testing.T) {
	var all []string
	for _, c := range evaluator(t, `{podSelector: {}}`).AddressClasses() {
		NewWithT(t).Expect(c.Prefixes).To(HaveLen(1))
		all = append(all, c.Prefixes[0].String())
	}
	NewWithT(t).Expect(all).To(Equal([]string{"0.0.0.0/0", "::/0"}))
}

func TestAnUnknownAddressIsInNoNarrowBlock(t *testing.T) {
	e := evaluator(
		t,
		`{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 128.0.0.0/1}}], ports: [{port: 1}]}, {from: [{ipBlock: {cidr: 0.0.0.0/0, except: [10.0.0.0/8]}}], ports: [{port: 2}]}]}`,
	)
	db := e.ClassOf(end(t, "im/db"))
	NewWithT(t).Expect(e.Reaches(e.UnknownAddress(), db, 1, "")).To(BeFalse())
	NewWithT(t).Expect(e.Reaches(e.UnknownAddress(), db, 2, "")).To(BeTrue())
}
