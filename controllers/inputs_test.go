package controllers

import (
	"errors"
	"maps"
	"reflect"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/controllers/rollout"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// keeper makes the workloads of one stack in the situations of scopes.
type keeper struct {
	*WithT

	t      *testing.T
	r      *Reconciler
	stack  *v1alpha1.OpenIMStack
	facts  openim.Facts
	first  revision.Data
	second revision.Data
}

const firstRun, secondRun = "chat-run-1", "chat-run-2"

func newKeeper(t *testing.T) *keeper {
	t.Helper()
	stack, cluster := manifeststest.Read(t, "manifests/testdata/users")
	stack.Spec.Wrapper.Gateway = &v1alpha1.GatewaySpec{Expose: []v1alpha1.Exposure{{
		Listener: v1alpha1.ListenerUsers, HTTPRoute: &v1alpha1.ExposedRoute{
			ParentRefs: []v1alpha1.GatewayReference{{Name: "public"}}, Hostnames: []v1alpha1.HostName{"im.example.com"},
		},
	}}}
	live := fake.NewClientBuilder().WithScheme(scheme.Scheme).WithObjects(&autoscalingv2.HorizontalPodAutoscaler{ // of an earlier spec
		ObjectMeta: metav1.ObjectMeta{
			Namespace: stack.Namespace, Name: "chat-push", Labels: manifests.CommonLabels(stack.Name),
			OwnerReferences: []metav1.OwnerReference{manifests.OwnerReference(stack)},
		},
	}).Build()
	k := &keeper{WithT: NewWithT(t), t: t, stack: stack, facts: manifeststest.Facts(t, stack, cluster), first: revisionOf(t, "users")}
	k.r = NewReconciler(live, live, events.NewFakeRecorder(1), nil, manifests.Options{WrapperImage: "example.com/wrapper:2"},
		dependencies.Access{})
	k.second = k.first
	k.second.Components = maps.Clone(k.first.Components)
	api := k.second.Components["api"]
	api.Template.Spec.NodeName = "another"
	k.second.Components["api"] = api
	return k
}

// certifiedBy returns a Deployment of the gateway whose pods have the certificate of a Secret.
func certifiedBy(secret string) *appsv1.Deployment {
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "chat-gateway"}}
	d.Spec.Template.Spec.Volumes = []corev1.Volume{{Name: v1alpha1.VolumeCertificate, VolumeSource: corev1.VolumeSource{
		Secret: &corev1.SecretVolumeSource{SecretName: secret},
	}}}
	return d
}

// at returns the scope of a stack at rest, all of whose components are built from the first revision, after some changes. The gateway still
// has a certificate that the spec no longer names.
func (k *keeper) at(change ...func(*scope)) *scope {
	s := &scope{
		stack: k.stack.DeepCopy(), facts: k.facts, referencesRead: true, sealed: true, proposed: true,
		wantsRoute: true, routing: routing{ready: true},
		runs:        map[string]revision.Data{firstRun: k.first, secondRun: k.second},
		planned:     &rollout.Plan{Assignments: map[string]string{}},
		generations: map[string]int64{},
		deployments: map[string]*appsv1.Deployment{v1alpha1.ComponentGateway: certifiedBy("earlier")},
	}
	for _, name := range []string{firstRun, secondRun} {
		s.history = append(s.history, runRevision{Revision: rollout.Revision{Name: name, Hashes: k.first.Hashes()}, wrapper: map[string]int{
			v1alpha1.ComponentGateway: manifests.WrapperFormat, v1alpha1.ComponentBackend: manifests.WrapperFormat,
		}})
	}
	for _, c := range graph.DeploymentsOf(s.stack) {
		s.planned.Assignments[c.Name] = firstRun
	}
	for _, f := range change {
		f(s)
	}
	return s
}

// make makes the workloads of a scope.
func (k *keeper) make(s *scope) []client.Object {
	others, err := k.r.others(k.t.Context(), s)
	k.Expect(err).NotTo(HaveOccurred())
	k.Expect(k.r.makeWorkloads(k.t.Context(), s, others)).To(Succeed())
	return s.workloads
}

// keptOf stands for what is left of the workloads after they were applied.
func keptOf(s *scope) []apply.Kept { return make([]apply.Kept, len(s.workloads)) }

// refused adds a refusal.
func refused(p dependencies.Problem) func(*scope) {
	return func(s *scope) { s.refusals = append(s.refusals, p) }
}

func unreadByGateway(s *scope) {
	s.unread = &dependencies.ReadError{Components: []string{v1alpha1.ComponentGateway}, Err: errors.New("no answer")}
	s.referencesRead = false
}

// Whatever makes builders return other workloads is among the inputs that are compared, or keeps the workloads from being kept at all.
// Otherwise a stack would stay as it was until its next change. A builder that reads something new needs a case here. The Deployment of
// openim-rpc-auth depends on its pods, too: TestWorkloadsThatAreRecreatedAreNotKept.
func TestWhatBuildersReadIsAmongTheInputs(t *testing.T) {
	k := newKeeper(t)
	before := k.at()
	workloads := k.make(before)
	inputs, all := k.r.workloadInputs(before)
	k.Expect(all).To(BeTrue())
	again := k.at()
	k.Expect(reflect.DeepEqual(k.make(again), workloads)).To(BeTrue())
	same, all := k.r.workloadInputs(again)
	k.Expect(all && reflect.DeepEqual(same, inputs)).To(BeTrue(), "what has not changed is kept")

	annotated := func(s *v1alpha1.OpenIMStackSpec) {
		s.Pods = &v1alpha1.Pods{ServiceAccountAnnotations: map[string]v1alpha1.AnnotationValue{"a/b": "c"}}
	}
	three := func(s *v1alpha1.OpenIMStackSpec) {
		s.Processes = &v1alpha1.Processes{Push: &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](3)}}
	}
	scaled := func(s *v1alpha1.OpenIMStackSpec) {
		s.Pods = &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{
			Name: "push", Autoscaling: &v1alpha1.Autoscaling{MaxReplicas: ptr.To[int32](4)},
		}}}
	}
	certified := func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Gateway.TLS = &v1alpha1.GatewayTLS{SecretRef: v1alpha1.LocalReference{Name: "earlier"}}
	}
	hidden := func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Gateway.Expose = nil }
	stricter := func(s *v1alpha1.OpenIMStackSpec) { s.Settings.MultiLogin.MaxPerPlatform = ptr.To[int32](1) }
	anyLogin := func(s *v1alpha1.OpenIMStackSpec) { s.Settings.MultiLogin = nil }
	gatewayAlone := []string{v1alpha1.ComponentGateway}
	for name, c := range map[string]struct {
		// spec that is built, nil for the one before; situation in which it is built, nil for that before. The case is compared with the
		// same spec in the situation before, when it has both.
		spec      func(*v1alpha1.OpenIMStackSpec)
		situation func(*scope)
	}{
		"a size of the spec":                             {three, nil},
		"an autoscaler":                                  {scaled, nil},
		"annotations of accounts":                        {annotated, nil},
		"an exposure":                                    {hidden, nil},
		"the multi-login policy":                         {anyLogin, nil},
		"the revision of a component":                    {nil, func(s *scope) { s.planned.Assignments["api"] = secondRun }},
		"the Gateway API is not served":                  {nil, func(s *scope) { s.routing = routing{missing: []string{"HTTPRoute"}} }},
		"its objects are not in the cache yet":           {nil, func(s *scope) { s.routing = routing{} }},
		"a CustomResourceDefinition with other defaults": {nil, func(s *scope) { hidden(&s.stack.Spec) }},
		"the certificate of the gateway's pods": {nil, func(s *scope) {
			s.deployments[v1alpha1.ComponentGateway] = &appsv1.Deployment{}
		}},
		"a pod of the gateway still has none": {nil, func(s *scope) {
			template := s.history[0].Hashes[v1alpha1.ComponentGateway]
			s.pods = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{
				Labels:          map[string]string{v1alpha1.LabelComponent: v1alpha1.ComponentGateway, appsv1.DefaultDeploymentUniqueLabelKey: "x"},
				Annotations:     map[string]string{v1alpha1.AnnotationTemplate: template},
				OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "chat-gateway-x", Controller: ptr.To(true)}},
			}}}
		}},
		"the gateway has no Deployment":                {certified, func(s *scope) { clear(s.deployments) }},
		"a policy for an earlier certificate is there": {nil, func(s *scope) { s.routePolicies = []string{"chat-users"} }},
		"it is not known whether a pod reads the multi-login policy": {stricter, func(s *scope) {
			s.pods = []corev1.Pod{{ObjectMeta: metav1.ObjectMeta{
				Labels: map[string]string{v1alpha1.LabelComponent: v1alpha1.ComponentGateway},
			}}}
		}},
		"no revision is proposed: the autoscaler stays": {three, func(s *scope) { s.proposed = false }},
		"a reference is broken: the autoscaler stays": {three, func(s *scope) {
			s.problems = []dependencies.Problem{{Field: "spec.x", Components: []string{"push"}}}
		}},
		"a revision has an image of an earlier operator": {nil, func(s *scope) {
			s.history[0].wrapper = map[string]int{v1alpha1.ComponentBackend: manifests.WrapperFormat}
		}},
		"settings are refused: the last policy stays":  {anyLogin, refused(dependencies.Problem{Field: "spec.settings"})},
		"templates are refused: the last ones stay":    {annotated, refused(dependencies.Problem{Field: podsField})},
		"the API server refuses templates":             {annotated, func(s *scope) { s.templatesInvalid = true }},
		"it is not known what templates may read":      {annotated, func(s *scope) { s.podsUnread = true }},
		"the hot file is held":                         {anyLogin, refused(dependencies.Problem{Components: gatewayAlone})},
		"the hot file is held by a reference":          {anyLogin, func(s *scope) { s.problems = []dependencies.Problem{{Field: "spec.x"}} }},
		"the hot file is held by a reference not read": {anyLogin, unreadByGateway},
	} {
		t.Run(name, func(t *testing.T) {
			k.WithT, k.t = NewWithT(t), t
			build := func(s *scope) {
				if c.spec != nil {
					s.stack.Generation++ // as the API server does
					c.spec(&s.stack.Spec)
				}
			}
			// A refusal keeps what was accepted last, so that it is built first.
			changed := k.at(build)
			if c.situation != nil {
				c.situation(changed)
			}
			other, kept := k.make(changed), before
			if c.situation != nil {
				kept = k.at(build)
			}
			k.Expect(reflect.DeepEqual(other, k.make(kept))).To(BeFalse(), "the case changes something")
			a, keepable := k.r.workloadInputs(kept)
			k.Expect(keepable).To(BeTrue())
			b, keepable := k.r.workloadInputs(changed)
			k.Expect(keepable && reflect.DeepEqual(a, b)).To(BeFalse(), "the workloads would stay as they were")
			k.Expect(reflect.DeepEqual(k.make(k.at()), workloads)).To(BeTrue())
		})
	}

	k.WithT, k.t = NewWithT(t), t
	// What nothing is made from at present, or what is told by the planner, is among them too.
	for name, change := range map[string]func(*scope){
		"what references resolve to": func(s *scope) { s.facts.ShareSecretHash = "another" },
		"an exposure is refused":     func(s *scope) { s.unexposed = []dependencies.Problem{{Field: "spec.wrapper.gateway.expose[0]"}} },
		"a suspended stack":          func(s *scope) { s.stack.Spec.Suspend = ptr.To(true) },
		"policies are not in place":  func(s *scope) { s.sealed = false },
		"a reference was not read":   func(s *scope) { s.referencesRead = false },
		"OpenIM is checked":          func(s *scope) { s.planned.Check = "chat-run-2" },
		"nothing is planned":         func(s *scope) { s.planned = nil },
		"an update is required": refused(dependencies.Problem{
			Reason: v1alpha1.ReasonUpdateRequired, Components: []string{v1alpha1.ComponentBackend},
		}),
	} {
		changed, all := k.r.workloadInputs(k.at(change))
		k.Expect(all && reflect.DeepEqual(changed, inputs)).To(BeFalse(), name)
	}
	_, all = k.r.workloadInputs(k.at(func(s *scope) { delete(s.planned.Assignments, "api") }))
	k.Expect(all).To(BeFalse(), "assigned reports a component whose revision is lost")
}

// Whether the pods of openim-rpc-auth go before the new ones come depends on them: its Deployment is made each time until they are there.
func TestWorkloadsThatAreRecreatedAreNotKept(t *testing.T) {
	k := newKeeper(t)
	s := k.at()
	k.make(s)
	k.r.keepWorkloads(s, keptOf(s))
	k.Expect(k.r.kept.of(k.stack).workloads).NotTo(BeNil())

	rpcAuth := k.first.Components[string(openim.RPCAuth)]
	live := rpcAuth.Template.DeepCopy()
	for _, containers := range [][]corev1.Container{live.Spec.InitContainers, live.Spec.Containers} {
		for i := range containers {
			for j := range containers[i].Env {
				if from := containers[i].Env[j].ValueFrom; from != nil && from.SecretKeyRef != nil {
					from.SecretKeyRef.Name = "chat-earlier"
				}
			}
		}
	}
	s = k.at(func(s *scope) {
		s.deployments[string(openim.RPCAuth)] = &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Template: *live}}
	})
	k.make(s)
	k.r.keepWorkloads(s, keptOf(s))
	k.Expect(k.r.kept.of(k.stack).workloads).To(BeNil())
}

// The hashes of the last revision are compared in each reconciliation. Its data are unpacked once for that.
func TestHashesAreComparedWithoutTheDataOfTheRevision(t *testing.T) {
	k := newKeeper(t)
	s := k.at(func(s *scope) {
		s.runs, s.history[0].secretVersions = nil, "redis=1"
		k.r.keepRun(s, firstRun, k.first)
	})
	facts := s.facts.ForTemplates()
	kept, err := k.r.keptHashes(k.t.Context(), s, facts, []string{firstRun})
	k.Expect(err).NotTo(HaveOccurred())
	k.Expect(kept).To(Equal(facts))
	s.runs = nil
	_, err = k.r.keptHashes(k.t.Context(), s, facts, []string{firstRun})
	k.Expect(err).NotTo(HaveOccurred())
	k.Expect(s.runs).To(BeEmpty())

	k.r.keepRun(s, firstRun, k.second)
	s.runs = nil
	_, err = k.r.keptHashes(k.t.Context(), s, facts, []string{firstRun})
	k.Expect(err).NotTo(HaveOccurred())
	k.Expect(s.runs).To(HaveKey(firstRun), "the revision was made again")
}
