package controllers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/controllers/prober"
)

// While nothing has changed, no child is made anew. Whatever changes, the children are made, compared and repaired, and then rest again.
func TestChildrenAreMadeAgainWhenSomethingChanged(t *testing.T) {
	b := newBench(t)
	b.rest()
	made := func() bool { return b.r.MadeChildren(b.stack()) }
	b.Expect(b.reconcile()).To(Succeed())
	b.Expect(made()).To(BeFalse(), "nothing changed")

	// again expects that a change is followed by new children once, and that all is as it was before afterwards.
	again := func(what string, change func(), repaired func() bool) {
		t.Helper()
		change()
		b.Expect(b.reconcile()).To(Succeed(), what)
		b.Expect(made()).To(BeTrue(), "%s: the children are made", what)
		b.Expect(repaired()).To(BeTrue(), "%s: it is repaired", what)
		b.rest()
		b.Expect(b.reconcile()).To(Succeed(), what)
		b.Expect(made()).To(BeFalse(), "%s, and nothing after it", what)
		b.Expect(repaired()).To(BeTrue(), what)
	}
	nothing := func() bool { return true }

	service := func(name string) *corev1.Service {
		var found corev1.Service
		b.Expect(b.get(name, &found)).To(Succeed())
		return &found
	}
	again("somebody changed a Service", func() {
		changed := service("chat-api")
		changed.Spec.Selector[v1alpha1.LabelComponent] = "mine"
		b.Expect(b.c.Update(t.Context(), changed)).To(Succeed())
	}, func() bool { return service("chat-api").Spec.Selector[v1alpha1.LabelComponent] == "api" })
	again("somebody deleted a policy", func() {
		b.Expect(b.c.Delete(t.Context(), &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{
			Namespace: benchNamespace, Name: "chat-default-deny",
		}})).To(Succeed())
	}, func() bool { return b.get("chat-default-deny", &networkingv1.NetworkPolicy{}) == nil })
	again("somebody changed a Deployment's template", func() {
		var d appsv1.Deployment
		b.Expect(b.get("chat-api", &d)).To(Succeed())
		d.Spec.Template.Spec.Containers[0].Image = "example.com/other:1"
		b.Expect(b.c.Update(t.Context(), &d)).To(Succeed())
	}, func() bool {
		var d appsv1.Deployment
		return b.get("chat-api", &d) == nil && d.Spec.Template.Spec.Containers[0].Image != "example.com/other:1"
	})
	again("somebody took the labels off a Service", func() {
		changed := service("chat-push")
		changed.Labels = nil
		b.Expect(b.c.Update(t.Context(), changed)).To(Succeed())
	}, func() bool { return len(service("chat-push").Labels) > 0 })
	again("the spec changed", func() {
		b.edit(func(s *v1alpha1.OpenIMStack) {
			s.Spec.Upgrade = &v1alpha1.Upgrade{Strategy: v1alpha1.UpgradeAllAtOnce}
		})
	}, nothing)
	var hidden *networkingv1.NetworkPolicy
	again("a CustomResourceDefinition with other fields", func() {
		stack := b.stack() // the generation stays
		stack.Spec.Network = &v1alpha1.Network{Clients: []v1alpha1.Peer{{PodSelector: &v1alpha1.Selector{
			MatchLabels: map[string]string{"app": "web"},
		}}}}
		b.Expect(b.c.Update(t.Context(), stack)).To(Succeed())
	}, func() bool {
		hidden = &networkingv1.NetworkPolicy{}
		return b.get("chat-gateway-ingress", hidden) == nil && len(hidden.Spec.Ingress[0].From) == 1
	})
	again("the other fields go", func() {
		stack := b.stack()
		stack.Spec.Network = nil
		b.Expect(b.c.Update(t.Context(), stack)).To(Succeed())
	}, func() bool {
		return b.get("chat-gateway-ingress", hidden) == nil && len(hidden.Spec.Ingress[0].From) == 0
	})
	again("somebody changed the gateway's hot file", func() {
		var file corev1.ConfigMap
		b.Expect(b.get("chat-gateway-hot", &file)).To(Succeed())
		file.Data["hot.yaml"] = "{}"
		b.Expect(b.c.Update(t.Context(), &file)).To(Succeed())
	}, func() bool { return strings.Contains(b.hot(), "multiLogin") })
	foreign := service("chat-api")
	again("another owner's Service went", func() {
		b.Expect(b.c.Delete(t.Context(), foreign.DeepCopy())).To(Succeed())
		foreign.ResourceVersion, foreign.UID, foreign.Labels = "", "", nil
		foreign.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "x", UID: "x", Controller: ptr.To(true)}}
		b.Expect(b.c.Create(t.Context(), foreign)).To(Succeed())
		for range 2 {
			b.Expect(b.reconcile()).To(Succeed())
			b.Expect(b.stack().Status.Conditions).To(ContainElement(HaveField("Reason", v1alpha1.ReasonNameConflict)))
			b.Expect(metav1.IsControlledBy(service("chat-api"), b.stack())).To(BeFalse())
		}
		b.Expect(b.c.Delete(t.Context(), foreign)).To(Succeed())
	}, func() bool { return metav1.IsControlledBy(service("chat-api"), b.stack()) })
	again("a Secret was rotated", func() {
		var secret corev1.Secret
		b.Expect(b.get("mongodb", &secret)).To(Succeed())
		secret.Data = map[string][]byte{"uri": []byte("mongodb://example:another@192.0.2.10/chat?authSource=admin")}
		b.Expect(b.c.Update(t.Context(), &secret)).To(Succeed())
	}, func() bool { return len(b.runs()) == 2 })

	b.Expect(b.hot()).To(ContainSubstring("maxPerPlatform: 3"))
	old := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: benchNamespace, Name: "chat-gateway-1", Labels: map[string]string{
		v1alpha1.LabelInstance: "chat", v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelName: v1alpha1.NameWrapper,
		v1alpha1.LabelComponent: v1alpha1.ComponentGateway,
	}}}
	b.Expect(b.c.Create(t.Context(), old)).To(Succeed())
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Settings.MultiLogin.MaxPerPlatform = ptr.To[int32](2) })
	b.rest()
	b.Expect(b.hot()).To(ContainSubstring("maxPerPlatform: 3"), "it is not known whether the pod reads the policy")
	again("the gateway of an unknown operator ended", func() {
		b.Expect(b.c.Delete(t.Context(), old)).To(Succeed())
	}, func() bool { return strings.Contains(b.hot(), "maxPerPlatform: 2") })

	before := b.deployments()
	again("the key of the hashes was lost", func() {
		b.Expect(b.c.Delete(t.Context(), b.secret(v1alpha1.SuffixDigest))).To(Succeed())
	}, func() bool { return b.secret(v1alpha1.SuffixDigest) != nil })
	b.Expect(b.restarted(before)).To(BeEmpty())
	again("another process", func() { b.restart() }, nothing)
}

// The status of a Deployment changes its resource version, and nothing that is desired of it.
func TestADeploymentWhoseStatusChangedIsComparedAndNotMade(t *testing.T) {
	b := newBench(t)
	b.rest()
	var d appsv1.Deployment
	b.Expect(b.get("chat-api", &d)).To(Succeed())
	d.Status.Replicas++
	b.Expect(b.c.Update(t.Context(), &d)).To(Succeed())
	b.Expect(b.reconcile()).To(Succeed())
	b.Expect(b.r.MadeChildren(b.stack())).To(BeFalse())
	b.Expect(b.get("chat-api", &d)).To(Succeed())
}

// rest reconciles until the objects are seen as they were written.
func (b *bench) rest() {
	for range 4 {
		b.Expect(b.reconcile()).To(Succeed())
	}
	b.r.MadeChildren(b.stack())
}

// lists counts the lists of pods and Secrets that the API server answers.
type lists struct {
	client.Client

	pods, secrets int
}

func (l *lists) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if metadata, ok := list.(*metav1.PartialObjectMetadataList); ok {
		switch metadata.Kind {
		case "PodList":
			l.pods++
		case "SecretList":
			l.secrets++
		}
	}
	return l.Client.List(ctx, list, options...)
}

// podCache holds pods as the operator's cache does: without most of their labels.
type podCache struct{ client.Client }

func (c podCache) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	pods, ok := list.(*corev1.PodList)
	if !ok {
		return c.Client.List(ctx, list, options...)
	}
	asked := (&client.ListOptions{}).ApplyOptions(options)
	var whole corev1.PodList
	if err := c.Client.List(ctx, &whole, client.InNamespace(asked.Namespace)); err != nil {
		return err
	}
	for i := range whole.Items {
		slim, err := observe.Pod(&whole.Items[i])
		if err != nil {
			return err
		}
		if pod := slim.(*corev1.Pod); asked.LabelSelector.Matches(labels.Set(pod.Labels)) {
			pods.Items = append(pods.Items, *pod)
		}
	}
	return nil
}

// A reconciliation that changes nothing asks the API server neither for pods nor for Secrets. The pods that own the default deny policy are
// listed when the cache shows others, and after a minute: the cache lacks a pod without its name label, and the policy selects it.
func TestPodsAndSecretsAreListedWhenTheyChanged(t *testing.T) {
	b := newBench(t)
	live, now := &lists{Client: b.c}, time.Now()
	b.r = controllers.NewReconciler(podCache{b.c}, live, events.NewFakeRecorder(10_000), prober.New(b.c, live, prober.Options{}),
		manifests.Options{WrapperImage: manifeststest.WrapperImage}, dependencies.Access{})
	b.r.Watching(b.c, func() time.Time { return now })
	b.rest()
	reconcile := func() lists {
		t.Helper()
		live.pods, live.secrets = 0, 0
		b.Expect(b.reconcile()).To(Succeed())
		return lists{pods: live.pods, secrets: live.secrets}
	}
	owners := func() (names []string) {
		var p networkingv1.NetworkPolicy
		b.Expect(b.get("chat-default-deny", &p)).To(Succeed())
		for _, o := range p.OwnerReferences[1:] {
			names = append(names, o.Name)
		}
		return names
	}
	b.Expect(reconcile()).To(Equal(lists{}))

	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: benchNamespace, Name: "chat-api-1", UID: "1", Labels: map[string]string{
		v1alpha1.LabelInstance: "chat", v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelName: v1alpha1.NameOpenIM,
	}}}
	b.Expect(b.c.Create(t.Context(), pod)).To(Succeed())
	b.Expect(reconcile().pods).To(Equal(1), "a pod came")
	b.Expect(owners()).To(Equal([]string{"chat-api-1"}))
	b.Expect(reconcile()).To(Equal(lists{}))
	now = now.Add(time.Minute)
	b.Expect(reconcile().pods).To(Equal(1), "a minute passed")
	b.Expect(reconcile()).To(Equal(lists{}))
	b.Expect(b.c.Delete(t.Context(), pod)).To(Succeed())
	b.Expect(reconcile().pods).To(Equal(1), "the pod ended")
	b.Expect(owners()).To(BeEmpty())
	b.Expect(reconcile()).To(Equal(lists{}))
}
