package prober

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

func TestAnIntentThatIsRepeatedIsNoNews(t *testing.T) {
	g := NewWithT(t)
	p := New(nil, nil, Options{})
	intended(p, newFixture().graph)
	_, wanted, dirty := p.take(chat)
	g.Expect(wanted).NotTo(BeNil())
	g.Expect(dirty).To(BeTrue())
	intended(p, newFixture().graph)
	_, again, dirty := p.take(chat)
	g.Expect(again).To(BeIdenticalTo(wanted))
	g.Expect(dirty).To(BeFalse())
}

// While a reference is broken the policies follow the spec all the same, and the audit compares with these policies.
func TestTheGraphFollowsTheSpecWhileAReferenceIsBroken(t *testing.T) {
	g := NewWithT(t)
	p := New(nil, nil, Options{})
	intended(p, newFixture().graph)
	narrower := graph.Graph{Namespace: "im", Stack: "chat"}
	intended(p, narrower, "spec.dependencies.redis: Secret redis is missing")
	_, wanted, _ := p.take(chat)
	g.Expect(wanted.graph).To(Equal(narrower))
	g.Expect(wanted.problems).To(HaveLen(1))
}

// The operator writes one policy after the other. Meanwhile the live policies match neither the old graph nor the new one.
func TestAStackIsNotLookedAtWhileItsPoliciesAreWritten(t *testing.T) {
	g := NewWithT(t)
	p, audits := prober(nil)
	before, after := newFixture().graph, other(newFixture().graph)
	intended(p, before)
	g.Expect(passes(t, p)).To(Succeed())
	g.Expect(audits()).To(Equal(1))
	p.Intend(chat, after, nil)
	p.markDirty(chat, 0) // by the first policy that is written
	p.now = func() time.Time { return noon.Add(time.Minute) }
	g.Expect(passes(t, p)).To(Succeed())
	g.Expect(audits()).To(Equal(1), "no audit")
	p.Applied(chat)
	g.Expect(passes(t, p)).To(Succeed())
	g.Expect(audits()).To(Equal(2))
}

func TestWhatWasReadWhileTheStackBeganToWantSomethingElseIsForgotten(t *testing.T) {
	g := NewWithT(t)
	var p *Prober
	p, audits := prober(func() { intended(p, other(newFixture().graph)) })
	intended(p, newFixture().graph)
	g.Expect(passes(t, p)).To(Succeed())
	g.Expect(audits()).To(Equal(1))
	g.Expect(p.Latest(chat)).To(Equal(Assessment{Outdated: true}))
	p.now = func() time.Time { return noon.Add(time.Minute) }
	g.Expect(passes(t, p)).To(Succeed())
	g.Expect(audits()).To(Equal(2), "the stack is audited again")
	g.Expect(p.Latest(chat).Audited).To(BeTrue())
}

// A result counts for the graph that it was found under. It proves nothing about another graph.
func TestAResultIsOutdatedOnceTheStackWantsSomethingElse(t *testing.T) {
	g := NewWithT(t)
	p, _ := prober(nil)
	outdated := func() bool { return p.Latest(chat).Outdated }
	finish := func(meanwhile ...graph.Graph) {
		s, wanted, _ := p.take(chat)
		for _, graph := range meanwhile {
			p.Intend(chat, graph, nil)
		}
		s.run = &run{id: "1", intent: wanted, startedAt: noon}
		_, err := p.finish(t.Context(), &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: chat.Namespace, Name: chat.Name}}, s,
			result{outcome: v1alpha1.ReasonEnforced})
		g.Expect(err).NotTo(HaveOccurred())
	}
	intended(p, newFixture().graph)
	finish()
	g.Expect(outdated()).To(BeFalse())
	intended(p, newFixture().graph, "spec.dependencies.redis: Secret redis is missing")
	g.Expect(outdated()).To(BeFalse(), "the same may go on")
	p.Intend(chat, other(newFixture().graph), nil)
	g.Expect(outdated()).To(BeTrue(), "before the first policy is written")
	p.Applied(chat)
	g.Expect(passes(t, p)).To(Succeed())
	g.Expect(outdated()).To(BeTrue(), "an audit is not a probe")
	finish(newFixture().graph)
	g.Expect(outdated()).To(BeTrue(), "it ended just after the spec had changed once more")
	p.Applied(chat)
	finish()
	g.Expect(outdated()).To(BeFalse())
}

// The result of an earlier process is in the status, with a digest of the rules and of the pods that it was found under.
func TestAResultOfAnEarlierProcessIsOutdatedUnderOtherRules(t *testing.T) {
	audit := func(g Gomega, digest string) (current string, outdated bool) {
		p, _ := prober(nil)
		stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: chat.Namespace, Name: chat.Name}}
		stack.Status.Boundary = &v1alpha1.Boundary{LastProbe: &v1alpha1.ProbeResult{Digest: digest, Outcome: v1alpha1.ReasonEnforced}}
		intended(p, newFixture().graph)
		s, wanted, _ := p.take(chat)
		plan, err := p.auditLive(t.Context(), stack, s, wanted)
		g.Expect(err).NotTo(HaveOccurred())
		return plan.digest, p.Latest(chat).Outdated
	}
	g := NewWithT(t)
	current, outdated := audit(g, "other.pods")
	g.Expect(outdated).To(BeTrue())
	rules, _, _ := strings.Cut(current, ".")
	_, outdated = audit(g, rules+".others")
	g.Expect(outdated).To(BeFalse(), "pods come and go")
}

// A run probes the graph of its start. When it is aborted, a request that it answered stays open.
func TestARunIsLeftWhenTheStackWantsSomethingElse(t *testing.T) {
	g := NewWithT(t)
	p, _ := prober(nil)
	intended(p, newFixture().graph)
	s, wanted, _ := p.take(chat)
	s.run = &run{id: "1", intent: wanted, trigger: v1alpha1.ProbeRequest, request: "now", startedAt: noon}
	left := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: chat.Namespace, Name: "left", Labels: podLabels(chat, "1")}}
	g.Expect(p.client.Create(t.Context(), left)).To(Succeed())

	intended(p, other(newFixture().graph))
	g.Expect(passes(t, p)).To(Succeed())
	g.Expect(s.run).To(BeNil())
	g.Expect(s.latest.Probe).To(BeNil(), "it came to no result")
	g.Expect(p.client.Get(t.Context(), client.ObjectKeyFromObject(left), left)).NotTo(Succeed(), "its pods are gone")
	_, _, dirty := p.take(chat)
	g.Expect(dirty).To(BeTrue(), "the new graph is audited next")
}

// An audit reads the namespaces of its scope and what belongs to no namespace. A change elsewhere makes none: with many stacks, each object
// of a new one would make an audit of all.
func TestOnlyWhatAnAuditReadsMakesAnAudit(t *testing.T) {
	stackGraph := graph.Graph{Namespace: "im", Stack: "chat", Edges: []graph.Edge{{
		To: graph.Peer{Name: "redis", NetworkPeers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "infra"}},
		}}},
	}}}
	for namespace, audited := range map[string]bool{"im": true, "infra": true, "ops": true, "": true, "im-2": false, "elsewhere": false} {
		g := NewWithT(t)
		p := New(nil, nil, Options{Namespace: "ops"})
		intended(p, stackGraph)
		_, _, dirty := p.take(chat)
		g.Expect(dirty).To(BeTrue())
		p.objectChanged(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "web"}})
		_, _, dirty = p.take(chat)
		g.Expect(dirty).To(Equal(audited), "a change in namespace %q", namespace)

		wider := stackGraph
		wider.Edges = []graph.Edge{{To: graph.Peer{Name: "redis", NetworkPeers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "elsewhere"}},
		}}}}}
		intended(p, wider)
		_, _, dirty = p.take(chat)
		g.Expect(dirty).To(BeTrue(), "other policies are audited in any case")
		p.objectChanged(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: "elsewhere", Name: "web"}})
		_, _, dirty = p.take(chat)
		g.Expect(dirty).To(BeTrue(), "the namespace of a store that the spec now names")
	}
}

// intended does what the reconcile loop does after a change of the graph.
func intended(p *Prober, g graph.Graph, problems ...string) {
	p.Intend(chat, g, problems)
	p.Applied(chat)
}

// other returns a graph that differs.
func other(g graph.Graph) graph.Graph {
	g.Edges = g.Edges[1:]
	return g
}

// newProber returns a Prober of the stack chat on a cluster with nothing else, and the number of its audits. meanwhile runs in the middle
// of the first audit.
func prober(meanwhile func()) (p *Prober, audits func() int) {
	n := 0
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(&v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: chat.Namespace,
		Name: chat.Name}}).
		WithInterceptorFuncs(interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList,
			options ...client.ListOption) error {
			if _, namespaces := list.(*metav1.PartialObjectMetadataList); namespaces {
				if n++; n == 1 && meanwhile != nil {
					meanwhile()
				}
			}
			return c.List(ctx, list, options...)
		}}).Build()
	p = New(c, c, Options{})
	p.now = func() time.Time { return noon }
	return p, func() int { return n }
}

// passes lets the prober do the next step.
func passes(t *testing.T, p *Prober) error {
	t.Helper()
	_, err := p.Reconcile(t.Context(), ctrl.Request{NamespacedName: chat})
	return err
}
