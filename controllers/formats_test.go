package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/controllers/revision"
)

// upgrade replaces the operator by one with another image, which finds run revisions without formats, as those of its predecessor.
func (b *bench) upgrade() {
	runs := b.runs()
	b.Expect(runs).NotTo(BeEmpty())
	for i := range runs {
		d, err := revision.Decode(runs[i].Data.Raw)
		b.Expect(err).NotTo(HaveOccurred())
		d.Inputs.Images.WrapperFormat, d.Inputs.Images.SupervisorFormat = 0, 0
		runs[i].Data.Raw, err = revision.Encode(d)
		b.Expect(err).NotTo(HaveOccurred())
		b.Expect(b.c.Update(context.Background(), &runs[i])).To(Succeed())
	}
	b.startNext()
}

// runs returns the run revisions.
func (b *bench) runs() []appsv1.ControllerRevision {
	var list appsv1.ControllerRevisionList
	b.Expect(b.c.List(context.Background(), &list, client.InNamespace(benchNamespace),
		client.MatchingLabels{v1alpha1.LabelRevision: v1alpha1.RevisionRun})).To(Succeed())
	return list.Items
}

// startNext starts the operator of the next release.
func (b *bench) startNext() {
	b.events = events.NewFakeRecorder(10_000)
	b.r = controllers.NewReconciler(b.c, b.c, b.events, prober.New(b.c, b.c, prober.Options{}),
		manifests.Options{WrapperImage: "openimstack/openim-wrapper:next"}, dependencies.Access{})
	b.Expect(b.reconcile()).To(Succeed())
}

func (b *bench) stalled() bool {
	return apimeta.IsStatusConditionTrue(b.stack().Status.Conditions, v1alpha1.ConditionStalled)
}

// hot returns the gateway's file of limits and rules.
func (b *bench) hot() string {
	var file corev1.ConfigMap
	b.Expect(b.get(manifests.HotName(benchStack), &file)).To(Succeed())
	return file.Data["hot.yaml"]
}

func redisCluster(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Redis.Mode = v1alpha1.RedisCluster }

func withoutMultiLogin(s *v1alpha1.OpenIMStack) { s.Spec.Settings = nil }

// Images of a predecessor that recorded no format may read more than the first format: pods that run with a field show that they do.
func TestAnUpgradeOfTheOperatorStallsNoUnchangedStack(t *testing.T) {
	b := newBench(t, redisCluster, withoutMultiLogin)
	before := b.deployments()
	b.upgrade()
	b.expectAccepted()
	b.Expect(b.stalled()).To(BeFalse())
	b.Expect(b.restarted(before)).To(BeEmpty())
	available := apimeta.FindStatusCondition(b.stack().Status.Conditions, v1alpha1.ConditionUpdateAvailable)
	b.Expect(available).To(HaveField("Message", And(ContainSubstring("backend, gateway"),
		ContainSubstring("which may not apply all of it, run with spec.wrapper.redis.mode"))))

	b.annotate(v1alpha1.AnnotationUpdate, "now")
	b.expectAccepted()
	b.expectAccepted()
	b.Expect(apimeta.FindStatusCondition(b.stack().Status.Conditions, v1alpha1.ConditionUpdateAvailable)).To(BeNil())
}

// What does not wait is cleaned up, and told of.
func TestAFieldThatWaitsHoldsNothingElse(t *testing.T) {
	b := newBench(t, withoutMultiLogin, func(s *v1alpha1.OpenIMStack) { autoscaled(scaledTo("push", 4))(&s.Spec) })
	b.Expect(b.scaler("push").Spec.MaxReplicas).To(Equal(int32(4)))
	b.upgrade()
	before := b.deployments()
	waits := func() {
		t.Helper()
		b.Expect(b.reconcile()).To(Succeed())
		b.Expect(b.settings()).To(And(HaveField("Reason", v1alpha1.ReasonUpdateRequired),
			HaveField("Message", HavePrefix("spec.wrapper.redis.mode: the images of backend, gateway are those of an earlier operator"))))
		b.Expect(b.stalled()).To(BeTrue())
		for _, component := range []string{"backend", "gateway"} {
			b.Expect(b.deployments()[component]).To(Equal(before[component]))
		}
	}
	b.edit(redisCluster)
	waits()
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = nil })
	waits()
	waits()
	b.Expect(b.get(benchStack+"-push", &autoscalingv2.HorizontalPodAutoscaler{})).NotTo(Succeed())
	for team := range 8 { // a run revision each
		b.edit(func(s *v1alpha1.OpenIMStack) {
			s.Spec.Pods = &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: "push", Template: &runtime.RawExtension{
				Raw: fmt.Appendf(nil, `{"metadata":{"labels":{"example.com/team":"t%d"}}}`, team)}}}}
		})
		waits()
		waits()
	}
	b.Expect(len(b.runs())).To(BeNumerically("<", 7))
	b.Expect(b.stack().Status.ObservedGeneration).To(Equal(b.stack().Generation))

	b.annotate(v1alpha1.AnnotationUpdate, "now")
	b.expectAccepted()
	b.expectAccepted()
	b.Expect(b.stalled()).To(BeFalse())
}

// With an image of the spec an update changes no template, and the answer must hold all the same: also for the next process, and when the
// image is the operator's own again.
func TestTheAnswerToAnUpdateHoldsWhenNoTemplateChanges(t *testing.T) {
	const own = "registry.example.com/wrapper:1"
	b := newBench(t, withoutMultiLogin, func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Image = own })
	b.upgrade()
	b.edit(func(s *v1alpha1.OpenIMStack) {
		s.Spec.Settings = &v1alpha1.Settings{MultiLogin: &v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerClass}}
	})
	b.Expect(b.reconcile()).To(Succeed())
	b.Expect(b.settings()).To(HaveField("Reason", v1alpha1.ReasonUpdateRequired))
	b.Expect(b.hot()).NotTo(ContainSubstring("multiLogin"))

	before := b.deployments()
	b.annotate(v1alpha1.AnnotationUpdate, "now")
	b.expectAccepted()
	b.expectAccepted()
	b.Expect(b.restarted(before)).To(BeEmpty())
	b.Expect(b.hot()).To(ContainSubstring("OnePerClass"))
	b.startNext()
	b.expectAccepted()
	b.Expect(b.hot()).To(ContainSubstring("OnePerClass"))

	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Image = "" })
	b.expectAccepted()
	b.Expect(b.hot()).To(ContainSubstring("OnePerClass"))
	b.Expect(b.deployments()["gateway"].Spec.Containers[0].Image).To(Equal("openimstack/openim-wrapper:next"))
}

// A policy that gateway and backend apply is switched off neither by an upgrade of the operator nor by a read that fails.
func TestAMultiLoginPolicyInForceStays(t *testing.T) {
	b := newBench(t)
	b.Expect(b.hot()).To(ContainSubstring("multiLogin"))
	b.upgrade()
	for range 2 {
		b.expectAccepted()
		b.Expect(b.stalled()).To(BeFalse())
		b.Expect(b.hot()).To(ContainSubstring("maxPerPlatform: 3"))
	}
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Settings.MultiLogin.MaxPerPlatform = ptr.To[int32](2) })
	b.expectAccepted()
	b.Expect(b.hot()).To(ContainSubstring("maxPerPlatform: 2"))

	down := interceptor.NewClient(b.c.(client.WithWatch), interceptor.Funcs{Get: func(
		ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption,
	) error {
		if _, run := o.(*appsv1.ControllerRevision); run {
			return errors.New("the API server is down")
		}
		return c.Get(ctx, key, o, opts...)
	}})
	b.r = controllers.NewReconciler(b.c, down, b.events, prober.New(b.c, b.c, prober.Options{}),
		manifests.Options{WrapperImage: "openimstack/openim-wrapper:next"}, dependencies.Access{})
	for range 2 {
		_ = b.reconcile()
		b.Expect(b.hot()).To(ContainSubstring("maxPerPlatform: 2"))
	}
	b.startNext()
	b.expectAccepted()
	b.edit(withoutMultiLogin)
	b.expectAccepted()
	b.Expect(b.hot()).NotTo(ContainSubstring("multiLogin"))
}
