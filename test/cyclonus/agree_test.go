package cyclonus_test

import (
	"flag"
	"os"
	"slices"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/netpol/evaluate"
	"github.com/openimstack/openim-operator/netpol/evaluate/evaluatetest"
)

// The default number of generated clusters, and the least number of comparisons.
const (
	clusters    = "8000"
	comparisons = 250_000
)

func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "rapid.checks" })
	if !given {
		if err := flag.Set("rapid.checks", clusters); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// Both implementations evaluate each connection between each two pods and outside addresses, in each address family: each side, the
// policies that admit it, and the result.
func TestBothJudgeAlike(t *testing.T) {
	var compared, open, ruled atomic.Int64
	drawing := evaluatetest.Clusters(evaluatetest.Options{MaxPolicies: 9})
	rapid.Check(t, func(t *rapid.T) {
		c := drawing.Draw(t, "cluster")
		e, err := evaluate.New(c.Namespaces, c.Policies)
		if err != nil {
			t.Fatalf("%v\n%s", err, c.YAML())
		}
		both := comparison{t: t, cluster: c, ours: e, judges: []judge{
			newJudge(c.Namespaces, c.Policies, false), newJudge(c.Namespaces, c.Policies, true),
		}}
		for _, from := range ends(c) {
			for _, to := range ends(c) {
				if from.Pod == to.Pod {
					continue // itself, or both outside
				}
				for _, p := range c.Ports {
					both.compare(from, to, p.Port, p.Protocol)
				}
			}
		}
		compared.Add(both.compared)
		open.Add(both.open)
		ruled.Add(both.ruled)
	})
	t.Logf("%d comparisons, %d of them open, %d let through by a rule", compared.Load(), open.Load(), ruled.Load())
	if flag.Lookup("rapid.checks").Value.String() == clusters {
		NewWithT(t).Expect(compared.Load()).To(BeNumerically(">=", comparisons))
	}
	// Clusters that are nearly all open or all closed, or to which no rule applies, would show little.
	NewWithT(t).Expect(open.Load()).To(And(BeNumerically(">", compared.Load()/10), BeNumerically("<", compared.Load()*9/10)))
	NewWithT(t).Expect(ruled.Load()).To(BeNumerically(">", compared.Load()/10))
}

func ends(c evaluatetest.Cluster) []evaluate.End {
	var all []evaluate.End
	for i := range c.Pods {
		all = append(all, evaluate.End{Pod: &c.Pods[i]})
	}
	for _, a := range c.Outside {
		all = append(all, evaluate.End{Address: a})
	}
	return all
}

type comparison struct {
	t                     *rapid.T
	cluster               evaluatetest.Cluster
	ours                  *evaluate.Evaluator
	judges                []judge
	compared, open, ruled int64
}

// compare compares the connection in each family that both ends have, and then without a family: it is open when any family is open.
func (c *comparison) compare(from, to evaluate.End, port int32, protocol corev1.Protocol) {
	anyOpen := false
	for _, a := range addresses(from) {
		for _, b := range addresses(to) {
			if a.Is4() == b.Is4() {
				anyOpen = c.compareAddresses(evaluate.End{Pod: from.Pod, Address: a}, evaluate.End{Pod: to.Pod, Address: b}, port, protocol) || anyOpen
			}
		}
	}
	if v := c.ours.Connect(from, to, port, protocol); v.Open != anyOpen {
		c.disagree("any family", from, to, port, protocol, v, anyOpen)
	}
}

func (c *comparison) compareAddresses(from, to evaluate.End, port int32, protocol corev1.Protocol) bool {
	v := c.ours.Connect(from, to, port, protocol)
	c.compared++
	for _, j := range c.judges {
		egress, ingress := j.connect(from, to, port, protocol)
		if v.Open != (egress.allowed && ingress.allowed) {
			c.disagree("the whole", from, to, port, protocol, v, egress.allowed && ingress.allowed)
		}
		c.side("egress", v.Egress, egress, from, to, port, protocol, v)
		c.side("ingress", v.Ingress, ingress, from, to, port, protocol, v)
	}
	if v.Open {
		c.open++
	}
	if len(v.Egress.Rules)+len(v.Ingress.Rules) > 0 {
		c.ruled++
	}
	return v.Open
}

func (c *comparison) side(
	what string,
	s evaluate.Side,
	o opinion,
	from, to evaluate.End,
	port int32,
	protocol corev1.Protocol,
	v evaluate.Verdict,
) {
	if s.Allowed != o.allowed || s.Isolated != o.isolated || !sameDeciders(s, o) {
		c.disagree(what, from, to, port, protocol, v, o)
	}
}

// sameDeciders reports whether each policy with a rule that admits the connection is part of a target of cyclonus that does, and each
// such target has such a policy. (Cyclonus merges policies with equal selectors into one target.)
func sameDeciders(s evaluate.Side, o opinion) bool {
	var names []types.NamespacedName
	for _, r := range s.Rules {
		names = append(names, r.Policy)
	}
	ours := func(n types.NamespacedName) bool { return slices.Contains(names, n) }
	for _, target := range o.allowing {
		if !slices.ContainsFunc(target, ours) {
			return false
		}
	}
	return !slices.ContainsFunc(names, func(n types.NamespacedName) bool {
		return !slices.ContainsFunc(o.allowing, func(target []types.NamespacedName) bool { return slices.Contains(target, n) })
	})
}

func (c *comparison) disagree(what string, from, to evaluate.End, port int32, protocol corev1.Protocol, ours, theirs any) {
	name := func(e evaluate.End) string {
		if e.Pod == nil {
			return e.Address.String()
		}
		return e.Pod.Namespace + "/" + e.Pod.Name + " " + e.Address.String()
	}
	c.t.Fatalf("%s, from %s to %s, port %d/%s:\nours:   %+v\ntheirs: %+v\n%s",
		what, name(from), name(to), port, protocol, ours, theirs, c.cluster.YAML())
}
