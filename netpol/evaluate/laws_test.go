package evaluate_test

import (
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/evaluate/evaluatetest"
)

// odd clusters contain all kinds of pods.
var odd = evaluatetest.Clusters(evaluatetest.Options{Odd: true, MaxPods: 7, MaxPolicies: 6})

func compiled(t *rapid.T, c evaluatetest.Cluster, policies ...networkingv1.NetworkPolicy) *evaluate.Evaluator {
	e, err := evaluate.New(c.Namespaces, policies)
	if err != nil {
		t.Fatalf("what is drawn is valid: %v\n%s", err, c.YAML())
	}
	return e
}

// pairs calls each for all pairs of ends and all ports of a cluster.
func pairs(c evaluatetest.Cluster, each func(from, to evaluate.End, p evaluatetest.Port)) {
	var ends []evaluate.End
	for i := range c.Pods {
		ends = append(ends, evaluate.End{Pod: &c.Pods[i]})
	}
	for _, a := range c.Outside {
		ends = append(ends, evaluate.End{Address: a})
	}
	ends = append(ends, evaluate.End{}) // an unknown address
	for _, from := range ends {
		for _, to := range ends {
			for _, p := range c.Ports {
				each(from, to, p)
			}
		}
	}
}

// never fails when a connection is open in one evaluator and closed in the other.
func never(t *rapid.T, what string, c evaluatetest.Cluster, before, after *evaluate.Evaluator) {
	pairs(c, func(from, to evaluate.End, p evaluatetest.Port) {
		was, is := before.Connect(from, to, p.Port, p.Protocol), after.Connect(from, to, p.Port, p.Protocol)
		if was.Open && !is.Open {
			t.Fatalf("%s: %d/%s\n%+v\n%+v\n%s", what, p.Port, p.Protocol, was, is, c.YAML())
		}
	})
}

func drawRule(t *rapid.T) (networkingv1.NetworkPolicyIngressRule, networkingv1.NetworkPolicyEgressRule) {
	for {
		p := evaluatetest.Policy(t, "rules", "im")
		if len(p.Spec.Ingress) > 0 && len(p.Spec.Egress) > 0 {
			return p.Spec.Ingress[0], p.Spec.Egress[0]
		}
	}
}

func TestAnotherRuleNeverClosesAnything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := odd.Filter(func(c evaluatetest.Cluster) bool { return len(c.Policies) > 0 }).Draw(t, "cluster")
		more := make([]networkingv1.NetworkPolicy, len(c.Policies))
		for i := range c.Policies {
			c.Policies[i].DeepCopyInto(&more[i])
			// An egress rule would isolate where policyTypes are absent.
			if len(more[i].Spec.PolicyTypes) == 0 {
				more[i].Spec.PolicyTypes = []networkingv1.PolicyType{networkingv1.PolicyTypeIngress}
				if len(more[i].Spec.Egress) > 0 {
					more[i].Spec.PolicyTypes = append(more[i].Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
				}
			}
		}
		at := rapid.IntRange(0, len(more)-1).Draw(t, "policy")
		in, out := drawRule(t)
		more[at].Spec.Ingress = append(more[at].Spec.Ingress, in)
		more[at].Spec.Egress = append(more[at].Spec.Egress, out)
		never(t, "closed by a rule", c, compiled(t, c, c.Policies...), compiled(t, c, more...))
	})
}

// A further policy for pods that are already isolated in its directions can only open connections.
func TestAPolicyThatIsolatesNothingNewNeverCloses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := odd.Filter(func(c evaluatetest.Cluster) bool { return len(c.Policies) > 0 }).Draw(t, "cluster")
		like := rapid.SampledFrom(c.Policies).Draw(t, "like")
		added := evaluatetest.Policy(t, "added", like.Namespace)
		added.Spec.PodSelector, added.Spec.PolicyTypes = like.Spec.PodSelector, like.Spec.PolicyTypes
		if len(like.Spec.PolicyTypes) == 0 && len(like.Spec.Egress) == 0 {
			added.Spec.Egress = nil
		}
		never(t, "closed by a policy", c, compiled(t, c, c.Policies...), compiled(t, c, append(slices.Clone(c.Policies), added)...))
	})
}

// Removing a policy that only isolates never closes a connection: policies deny only by isolation.
func TestWithoutAPolicyThatHasNoRulesNothingCloses(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := odd.Draw(t, "cluster")
		deny := evaluatetest.Policy(t, "deny", rapid.SampledFrom(c.Namespaces).Draw(t, "namespace").Name)
		deny.Spec.Ingress, deny.Spec.Egress = nil, nil
		never(t, "closed by the absence of a denial", c, compiled(t, c, append(slices.Clone(c.Policies), deny)...), compiled(t, c, c.Policies...))
	})
}

func TestTheOrderOfPoliciesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := odd.Draw(t, "cluster")
		a, b := compiled(t, c, c.Policies...), compiled(t, c, rapid.Permutation(c.Policies).Draw(t, "order")...)
		pairs(c, func(from, to evaluate.End, p evaluatetest.Port) {
			one, other := a.Connect(from, to, p.Port, p.Protocol), b.Connect(from, to, p.Port, p.Protocol)
			if !reflect.DeepEqual(one, other) {
				t.Fatalf("%+v\n%+v\n%s", one, other, c.YAML())
			}
		})
	})
}

// Where everything is denied by default, a connection is open only when a rule allows it on both sides.
func TestAConnectionNeedsBothOfItsSides(t *testing.T) {
	denied := networkingv1.NetworkPolicySpec{
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
	}
	ordinary := evaluatetest.Clusters(evaluatetest.Options{})
	rapid.Check(t, func(t *rapid.T) {
		c := ordinary.Filter(func(c evaluatetest.Cluster) bool { return len(c.Pods) > 1 }).Draw(t, "cluster")
		from, to := &c.Pods[0], &c.Pods[1]
		peer := func(p *corev1.Pod) []networkingv1.NetworkPolicyPeer {
			return []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: p.Namespace}},
				PodSelector:       &metav1.LabelSelector{MatchLabels: p.Labels},
			}}
		}
		var deny []networkingv1.NetworkPolicy
		for _, n := range c.Namespaces {
			deny = append(deny, networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "deny", Namespace: n.Name}, Spec: denied})
		}
		out := networkingv1.NetworkPolicy{
			ObjectMeta: metav1.ObjectMeta{Name: "out", Namespace: from.Namespace},
			Spec: networkingv1.NetworkPolicySpec{
				PodSelector: metav1.LabelSelector{MatchLabels: from.Labels}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeEgress},
				Egress: []networkingv1.NetworkPolicyEgressRule{{To: peer(to)}},
			},
		}
		in := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Name: "in", Namespace: to.Namespace}, Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: to.Labels}, PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress: []networkingv1.NetworkPolicyIngressRule{{From: peer(from)}},
		}}
		open := func(policies ...networkingv1.NetworkPolicy) bool {
			return compiled(t, c, append(slices.Clone(deny), policies...)...).Connect(evaluate.End{Pod: from}, evaluate.End{Pod: to}, 80, "").Open
		}
		g, common := NewWithT(t), sameFamily(from, to)
		g.Expect(open()).To(BeFalse())
		g.Expect(open(out)).To(BeFalse())
		g.Expect(open(in)).To(BeFalse())
		g.Expect(open(in, out)).To(Equal(common))
	})
}

func sameFamily(a, b *corev1.Pod) bool {
	for _, x := range a.Status.PodIPs {
		for _, y := range b.Status.PodIPs {
			if (len(x.IP) > 0 && x.IP[0] == 'f') == (len(y.IP) > 0 && y.IP[0] == 'f') {
				return true
			}
		}
	}
	return false
}

// Verdicts of classes are verdicts of pods: a connection between two classes is open when it is open between two of their pods. Nodes are
// the exception: they reach a class when they reach one of its pods.
func TestClassesChangeNoAnswer(t *testing.T) {
	var nodes, merged int
	rapid.Check(t, func(t *rapid.T) {
		c := odd.Draw(t, "cluster")
		e := compiled(t, c, c.Policies...)
		classes := e.Classes(c.Pods, nil)
		if len(classes) < len(c.Pods) {
			merged++
		}
		classOf := map[types.UID]*evaluate.Class{}
		for _, class := range classes {
			for _, p := range class.Pods {
				classOf[p.UID] = class
			}
		}
		at := func(end evaluate.End) *evaluate.Class {
			if end.Pod == nil {
				return e.ClassOf(end)
			}
			return classOf[end.Pod.UID]
		}
		pairs(c, func(from, to evaluate.End, p evaluatetest.Port) {
			if from.Pod != nil && from.Pod == to.Pod {
				return
			}
			v, of := e.Connect(from, to, p.Port, p.Protocol), e.Between(at(from), at(to), p.Port, p.Protocol)
			if e.Reaches(at(from), at(to), p.Port, p.Protocol) != of.Open {
				t.Fatalf("with and without reasons: %+v\n%s", of, c.YAML())
			}
			if node := at(from).OnHostNetwork() || at(to).OnHostNetwork() || from.Pod == nil || to.Pod == nil; node && of.Open && !v.Open {
				nodes++
				return
			}
			if v.Open != of.Open || !slices.Equal(v.Ingress.Rules, of.Ingress.Rules) || !slices.Equal(v.Egress.Rules, of.Egress.Rules) ||
				!slices.Equal(v.Ingress.Isolating, of.Ingress.Isolating) || !slices.Equal(v.Egress.Isolating, of.Egress.Isolating) {
				t.Fatalf("%+v\nof classes: %+v\n%s", v, of, c.YAML())
			}
		})
	})
	NewWithT(t).Expect(merged).To(BeNumerically(">", 0), "some pods are alike")
	t.Logf("%d clusters with pods alike, %d connections of nodes that only some pod of a class has", merged, nodes)
}

// Every address in a prefix of a class has the verdict of the class.
func TestClassesOfAddressesChangeNoAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := evaluatetest.Clusters(evaluatetest.Options{}).
			Filter(func(c evaluatetest.Cluster) bool { return len(c.Outside) > 0 }).
			Draw(t, "cluster")
		e := compiled(t, c, c.Policies...)
		outside, pods := e.AddressClasses(), e.Classes(c.Pods, nil)
		for _, a := range c.Outside {
			at := slices.IndexFunc(outside, func(class *evaluate.Class) bool {
				return slices.ContainsFunc(class.Prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
			})
			if at < 0 {
				t.Fatalf("%s is in no class\n%s", a, c.YAML())
			}
			for _, to := range pods {
				for _, p := range c.Ports {
					if e.Reaches(outside[at], to, p.Port, p.Protocol) != e.Reaches(e.ClassOf(evaluate.End{Address: a}), to, p.Port, p.Protocol) {
						t.Fatalf("%s, %d/%s\n%s", a, p.Port, p.Protocol, c.YAML())
					}
				}
			}
		}
	})
}

// The peers of a rule agree with the rules in a verdict.
func TestAVerdictsRulesAreThoseThatListTheirPartners(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := evaluatetest.Clusters(evaluatetest.Options{}).Draw(t, "cluster")
		e := compiled(t, c, c.Policies...)
		classes := e.Classes(c.Pods, func(p *corev1.Pod) string { return string(p.UID) })
		for _, to := range classes {
			for _, from := range classes {
				for _, p := range c.Ports {
					v := e.Between(from, to, p.Port, p.Protocol)
					if v.NoPath != "" {
						continue
					}
					listed := map[evaluate.Rule]bool{}
					for _, policy := range e.PoliciesSelecting(to, networkingv1.PolicyTypeIngress) {
						for _, r := range e.Rules(policy) {
							partners, _ := e.RulePeers(r, []*evaluate.Class{from})
							if r.Direction == networkingv1.PolicyTypeIngress && len(partners.Classes) == 1 && e.Covers(r, to, p.Port, p.Protocol) {
								listed[r] = true
							}
						}
					}
					said := map[evaluate.Rule]bool{}
					for _, r := range v.Ingress.Rules {
						said[r] = true
					}
					if !maps.Equal(listed, said) {
						t.Fatalf("listed: %v\nsaid: %v\n%s", listed, said, c.YAML())
					}
				}
			}
		}
	})
}
