package evaluate_test

import (
	"net"
	"net/netip"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

func namespacedName(p *networkingv1.NetworkPolicy) types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name}
}

// FuzzNew compiles any YAML that decodes to a policy's spec. An accepted policy is evaluated and listed without a panic.
func FuzzNew(f *testing.F) {
	for _, line := range semantics {
		for _, spec := range line.policies {
			f.Add([]byte(spec))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "p0"}}
		if yaml.Unmarshal(text, &p.Spec) != nil {
			return
		}
		namespaces, pods := fixture()
		e, err := evaluate.New(namespaces, []networkingv1.NetworkPolicy{p})
		if rules := e.Rules(namespacedName(&p)); err != nil && len(rules) > 0 {
			t.Fatalf("an invalid policy has rules: %v", err)
		}
		var all []corev1.Pod
		for _, pod := range pods {
			all = append(all, *pod)
		}
		classes := append(e.Classes(all, nil), e.AddressClasses()...)
		for _, r := range e.Rules(namespacedName(&p)) {
			e.RulePeers(r, classes)
		}
		for _, from := range classes {
			for _, to := range classes {
				if v := e.Between(from, to, 80, ""); v.Open != e.Reaches(from, to, 80, "") {
					t.Fatalf("with and without reasons: %+v", v)
				}
			}
		}
	})
}

// FuzzBlock compares the result for an address and a block with that of package net, which network plugins use.
func FuzzBlock(f *testing.F) {
	for _, seed := range [][3]string{
		{"192.0.2.0/24", "192.0.2.128/25", "192.0.2.7"}, {"0.0.0.0/0", "", "255.255.255.255"}, {"::/0", "::1/128", "::1"},
		{"::ffff:10.0.0.0/104", "::ffff:10.1.0.0/112", "10.1.0.1"}, {"10.0.0.7/8", "10.1.2.3/16", "::ffff:10.1.0.1"}, {"fe80::/10", "",
			"fe80::1"},
		{"::ffff:0:0/96", "", "192.0.2.7"}, {"::fffe:0:0/95", "", "192.0.2.7"}, {"10.0.0.0/8", "10.0.0.0/8", "10.0.0.1"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, cidr, except, address string) {
		a, err := netip.ParseAddr(address)
		if err != nil || a.Zone() != "" {
			return
		}
		block := &networkingv1.IPBlock{CIDR: cidr}
		if except != "" {
			block.Except = []string{except}
		}
		e, err := evaluate.New(nil, []networkingv1.NetworkPolicy{{
			ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "p0"},
			Spec: networkingv1.NetworkPolicySpec{Ingress: []networkingv1.NetworkPolicyIngressRule{{
				From: []networkingv1.NetworkPolicyPeer{{IPBlock: block}},
			}}},
		}})
		if err != nil {
			return
		}
		want, ok := contains(cidr, a)
		if !ok {
			return // octets with leading zeros: net refuses what old API servers took
		}
		if except != "" {
			excepted, ok := contains(except, a)
			if !ok {
				return
			}
			want = want && !excepted
		}
		db := evaluate.End{Pod: &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "db"}}}
		if got := e.Connect(evaluate.End{Address: a}, db, 80, "").Open; got != want {
			t.Fatalf("%s in %s except %s: %v, and net says %v", a, cidr, except, got, want)
		}
	})
}

func contains(cidr string, a netip.Addr) (in, ok bool) {
	_, network, err := net.ParseCIDR(cidr)
	if err != nil {
		return false, false
	}
	return network.Contains(a.Unmap().AsSlice()), true
}

func TestLeadingZerosMeanWhatTheyAlwaysMeant(t *testing.T) {
	e := evaluator(t, `{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 192.000.002.010/32}}]}]}`)
	NewWithT(t).Expect(connect(t, e, "192.0.2.10 > im/db 80").Open).To(BeTrue(), "decimal, not octal as in CVE-2021-29923")
	NewWithT(t).Expect(connect(t, e, "192.0.2.8 > im/db 80").Open).To(BeFalse())
}
