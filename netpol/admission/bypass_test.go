package admission_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// change is a patch of an object, of one of the API's patch types.
type change struct {
	name string
	kind types.PatchType
	body string
}

// changes to one effect, by all paths: kubectl uses each of them somewhere.
func changes(merge, json string) []change {
	return []change{
		{"merge patch", types.MergePatchType, merge},
		{"strategic merge patch", types.StrategicMergePatchType, merge},
		{"JSON patch", types.JSONPatchType, json},
	}
}

func namespaceMeta(ns string) metav1.ObjectMeta { return metav1.ObjectMeta{Name: ns} }

func policyOf(children []client.Object) *metav1.ObjectMeta {
	for _, child := range children {
		if p, ok := child.(*networkingv1.NetworkPolicy); ok {
			return &metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name}
		}
	}
	return nil
}

var refusedBy = func(policy string) OmegaMatcher {
	return MatchError(And(ContainSubstring(policyName(policy)), ContainSubstring("OpenIMStack \"")))
}

var _ = Describe("A user with every right in the cluster", func() {
	var ns string
	var made *v1alpha1.OpenIMStack
	var m user
	var pod *corev1.Pod // of the component api
	BeforeEach(func(ctx SpecContext) {
		ns = namespace("Enforce")
		made, _, _ = applied(ctx, ns, "users")
		m = as(mallory)
		Eventually(func(g Gomega) {
			var pods corev1.PodList
			g.Expect(root.List(ctx, &pods, client.InNamespace(ns), client.MatchingLabels{v1alpha1.LabelComponent: "api"})).To(Succeed())
			g.Expect(pods.Items).NotTo(BeEmpty())
			pod = &pods.Items[0]
		}).Should(Succeed())
	})
	labels := func() map[string]string {
		return map[string]string{
			v1alpha1.LabelInstance: made.Name, v1alpha1.LabelName: v1alpha1.NameWrapper, v1alpha1.LabelComponent: v1alpha1.ComponentBackend,
		}
	}
	other := func(ctx context.Context) *corev1.Pod {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, GenerateName: "other-", Labels: map[string]string{"app": "web"}},
			Spec:       corev1.PodSpec{SchedulerName: "none", Containers: []corev1.Container{{Name: "x", Image: "x"}}},
		}
		Expect(m.Create(ctx, p)).To(Succeed())
		return p
	}
	own := func(ctx context.Context, name string) *networkingv1.NetworkPolicy {
		p := &networkingv1.NetworkPolicy{}
		Expect(root.Get(ctx, client.ObjectKey{Namespace: ns, Name: v1alpha1.ChildName(made.Name, name)}, p)).To(Succeed())
		return p
	}

	It("cannot give a running pod the stack's labels, by any path", func(ctx SpecContext) {
		p := other(ctx)
		const instance, name, component = "app.kubernetes.io~1instance", "app.kubernetes.io~1name", "app.kubernetes.io~1component"
		merge := fmt.Sprintf(
			`{"metadata":{"labels":{%q:%q,%q:%q,%q:%q}}}`,
			v1alpha1.LabelInstance,
			made.Name,
			v1alpha1.LabelName,
			v1alpha1.NameWrapper,
			v1alpha1.LabelComponent,
			v1alpha1.ComponentBackend,
		)
		json := fmt.Sprintf(
			`[{"op":"add","path":"/metadata/labels/%s","value":%q},{"op":"add","path":"/metadata/labels/%s","value":%q},{"op":"add","path":"/metadata/labels/%s","value":%q}]`,
			instance,
			made.Name,
			name,
			v1alpha1.NameWrapper,
			component,
			v1alpha1.ComponentBackend,
		)
		for _, c := range changes(merge, json) {
			Expect(m.Patch(ctx, p.DeepCopy(), client.RawPatch(c.kind, []byte(c.body)))).To(refusedBy("pods"), c.name)
			Expect(m.Status().Patch(ctx, p.DeepCopy(), client.RawPatch(c.kind, []byte(c.body)))).To(refusedBy("pods"), "%s of the status", c.name)
		}
		changed := p.DeepCopy()
		changed.Labels = labels()
		Expect(m.Update(ctx, changed.DeepCopy())).To(refusedBy("pods"), "update")
		Expect(m.Status().Update(ctx, changed.DeepCopy())).To(refusedBy("pods"), "update of the status")
		intent := object(ns, `{apiVersion: v1, kind: Pod}`)
		intent.SetName(p.Name)
		intent.SetLabels(labels())
		Expect(
			m.Apply(ctx, client.ApplyConfigurationFromUnstructured(intent), client.FieldOwner(mallory), client.ForceOwnership),
		).To(refusedBy("pods"), "server-side apply")
	})

	It("cannot relabel a pod by binding it to a node", func(ctx SpecContext) {
		p := other(ctx)
		for _, victim := range []*corev1.Pod{p, pod} {
			for _, labels := range []map[string]string{labels(), {v1alpha1.LabelPartOf: "nothing"}} {
				binding := &corev1.Binding{
					ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: victim.Name, Labels: labels},
					Target:     corev1.ObjectReference{Kind: "Node", Name: "n"},
				}
				Expect(m.SubResource("binding").Create(ctx, victim, binding)).To(refusedBy("bindings"))
				Expect(m.Create(ctx, binding)).To(refusedBy("bindings"), "by the old path")
			}
		}
		adds := &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: pod.Name, Labels: map[string]string{"app": "web"}},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "n"},
		}
		Expect(m.SubResource("binding").Create(ctx, pod, adds)).To(refusedBy("bindings"), "a label that another policy selects")

		By("what schedulers do passes")
		zone := &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: pod.Name, Labels: map[string]string{corev1.LabelTopologyZone: "a"}},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "n"},
		}
		Expect(m.SubResource("binding").Create(ctx, pod, zone)).To(Succeed())
		other := &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: p.Name, Labels: map[string]string{"team": "a"}},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "n"},
		}
		Expect(m.SubResource("binding").Create(ctx, p, other)).To(Succeed())
	})

	It("cannot take a label from one of the stack's pods, change one, or add one", func(ctx SpecContext) {
		for _, body := range []string{
			`{"metadata":{"labels":{"app.kubernetes.io/part-of":null}}}`,
			`{"metadata":{"labels":{"app.kubernetes.io/instance":null}}}`,
			`{"metadata":{"labels":null}}`,
			`{"metadata":{"labels":{"app.kubernetes.io/component":"gateway"}}}`,
			`{"metadata":{"labels":{"app":"web"}}}`,
		} {
			Expect(m.Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(body)))).To(refusedBy("pods"), body)
			Expect(
				m.Status().Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(body))),
			).To(refusedBy("pods"), "%s of the status", body)
			Expect(
				m.Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(body)), client.DryRunAll),
			).To(refusedBy("pods"), "%s, dry run", body)
		}
		By("an annotation, a condition and an eviction are anyone's")
		Expect(
			m.Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"a":"b"}}}`))),
		).To(Succeed())
		Expect(m.Status().Patch(ctx, pod.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"status":{"message":"m"}}`)))).To(Succeed())
		Expect(m.Delete(ctx, pod.DeepCopy())).To(Succeed())
	})

	It("cannot run another image or an ephemeral container in one of the stack's pods", func(ctx SpecContext) {
		changed := pod.DeepCopy()
		changed.Spec.Containers[0].Image = "evil"
		Expect(m.Update(ctx, changed)).To(refusedBy("pods"))
		debug := pod.DeepCopy()
		debug.Spec.EphemeralContainers = []corev1.EphemeralContainer{
			{EphemeralContainerCommon: corev1.EphemeralContainerCommon{Name: "debug", Image: "x"}},
		}
		Expect(m.SubResource("ephemeralcontainers").Update(ctx, debug)).To(refusedBy("pods"))
		Expect(m.SubResource("ephemeralcontainers").Patch(ctx, pod.DeepCopy(), client.RawPatch(types.StrategicMergePatchType,
			[]byte(`{"spec":{"ephemeralContainers":[{"name":"debug","image":"x"}]}}`)))).To(refusedBy("pods"))

		By("in another stack's namespace they are not this stack's concern")
		p := other(ctx)
		p.Spec.EphemeralContainers = debug.Spec.EphemeralContainers
		Expect(m.SubResource("ephemeralcontainers").Update(ctx, p)).To(Succeed())
	})

	It("cannot make a controller do it", func(ctx SpecContext) {
		var deployment appsv1.Deployment
		Expect(root.Get(ctx, client.ObjectKey{Namespace: ns, Name: v1alpha1.ChildName(made.Name, "api")}, &deployment)).To(Succeed())
		for body, says := range map[string]string{
			`{"spec":{"template":{"spec":{"containers":[{"name":"api","image":"evil"}]}}}}`:              "another image",
			`{"spec":{"template":{"spec":{"hostNetwork":true}}}}`:                                        "the node's network",
			`{"spec":{"template":{"metadata":{"labels":{"app.kubernetes.io/part-of":null}}}}}`:           "a label less",
			`{"spec":{"template":{"metadata":{"labels":{"app":"web"}}}}}`:                                "a label more",
			`{"spec":{"template":{"metadata":{"annotations":{"k8s.v1.cni.cncf.io/networks":"other"}}}}}`: "another network",
		} {
			Expect(
				m.Patch(ctx, deployment.DeepCopy(), client.RawPatch(types.StrategicMergePatchType, []byte(body))),
			).To(refusedBy("workloads"), says)
		}
		By("nor the Deployment's ReplicaSet")
		var sets appsv1.ReplicaSetList
		Expect(root.List(ctx, &sets, client.InNamespace(ns), client.MatchingLabels(deployment.Spec.Selector.MatchLabels))).To(Succeed())
		Expect(sets.Items).NotTo(BeEmpty())
		evil := sets.Items[0].DeepCopy()
		evil.Spec.Template.Spec.Containers[0].Image = "evil"
		Expect(m.Update(ctx, evil)).To(refusedBy("workloads"))
		copied := &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{
				Namespace:       ns,
				Name:            sets.Items[0].Name + "x",
				Labels:          sets.Items[0].Labels,
				OwnerReferences: sets.Items[0].OwnerReferences,
			},
			Spec: evil.Spec,
		}
		Expect(m.Create(ctx, copied)).To(refusedBy("workloads"), "an owner reference proves nothing")

		By("nor a Deployment that gets the labels later")
		mine := object(ns, innocentDeployment)
		Expect(m.Create(ctx, mine)).To(Succeed())
		Expect(
			m.Patch(
				ctx,
				mine,
				client.RawPatch(
					types.MergePatchType,
					[]byte(
						`{"spec":{"template":{"metadata":{"labels":{"app.kubernetes.io/part-of":"openimstack","app.kubernetes.io/instance":"`+made.Name+`"}}}}}`,
					),
				),
			),
		).To(refusedBy("workloads"))

		By("restarting and scaling are anyone's")
		Expect(m.Patch(ctx, deployment.DeepCopy(), client.RawPatch(
			types.StrategicMergePatchType,
			[]byte(
				`{"spec":{"template":{"metadata":{"annotations":{"kubectl.kubernetes.io/restartedAt":"2026-01-01T00:00:00Z"}}}}}`,
			),
		))).To(Succeed())
		Expect(
			m.SubResource("scale").
				Update(ctx, &deployment, client.WithSubResourceBody(&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 2}})),
		).To(Succeed())
	})

	It("cannot make the ReplicaSet controller's pods use the node's network", func(ctx SpecContext) {
		p := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "host", Labels: pod.Labels},
			Spec:       corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{Name: "x", Image: "x"}}},
		}
		Expect(as(replicaSets, "system:serviceaccounts").Create(ctx, p.DeepCopy())).To(refusedBy("pods"))
		p.Spec.HostNetwork, p.Spec.Containers[0].Ports = false, []corev1.ContainerPort{{ContainerPort: 10002, HostPort: 10002}}
		Expect(as(replicaSets, "system:serviceaccounts").Create(ctx, p.DeepCopy())).To(refusedBy("pods"))
		p.Spec.Containers[0].Ports = nil
		Expect(as(replicaSets, "system:serviceaccounts").Create(ctx, p.DeepCopy())).To(Succeed())
		Expect(as(deployments, "system:serviceaccounts").Create(ctx, &appsv1.ReplicaSet{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "made"},
			Spec: appsv1.ReplicaSetSpec{
				Selector: &metav1.LabelSelector{MatchLabels: pod.Labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: p.Spec},
			},
		})).To(Succeed())
	})

	It("cannot change or delete the stack's policies, by any path", func(ctx SpecContext) {
		policy := own(ctx, "api-ingress")
		// Two admission policies refuse the object, and the API server returns the message of one.
		either := Or(refusedBy("own-policies"), refusedBy("network-policies"))
		merges := map[string]string{
			`{"spec":{"ingress":null}}`:                                                  "a rule less",
			`{"metadata":{"labels":{"app.kubernetes.io/part-of":null}}}`:                 "a label less: the operator would no longer find it",
			`{"metadata":{"ownerReferences":null}}`:                                      "no owner: the operator would no longer write it",
			`{"metadata":{"annotations":{"` + v1alpha1.AnnotationReason + `":"x"}}}`:     "another reason",
			`{"spec":{"podSelector":{"matchLabels":{"app.kubernetes.io/name":"none"}}}}`: "other pods",
		}
		for body, says := range merges {
			Expect(m.Patch(ctx, policy.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(body)))).To(either, says)
		}
		for _, c := range changes(`{"spec":{"policyTypes":["Egress"]}}`, `[{"op":"replace","path":"/spec/policyTypes","value":["Egress"]}]`) {
			Expect(m.Patch(ctx, policy.DeepCopy(), client.RawPatch(c.kind, []byte(c.body)))).To(either, c.name)
		}
		widened := policy.DeepCopy()
		widened.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
		Expect(m.Update(ctx, widened)).To(either)
		for _, propagation := range []metav1.DeletionPropagation{metav1.DeletePropagationBackground, metav1.DeletePropagationForeground,
			metav1.DeletePropagationOrphan} {
			Expect(m.Delete(ctx, policy.DeepCopy(), client.PropagationPolicy(propagation))).To(refusedBy("own-policies"), string(propagation))
		}
		_, message, _ := strings.Cut(m.Delete(ctx, policy.DeepCopy()).Error(), "denied request: ")
		Expect(os.ReadFile(filepath.Join("..", "..", "docs", "admission-policies.md"))).To(ContainSubstring(message), "the page has it word "+
			"for word")
		Expect(m.DeleteAllOf(ctx, &networkingv1.NetworkPolicy{}, client.InNamespace(ns))).To(refusedBy("own-policies"))
		var policies networkingv1.NetworkPolicyList
		Expect(root.List(ctx, &policies, client.InNamespace(ns))).To(Succeed())
		Expect(len(policies.Items)).To(BeNumerically(">", 25), "none is gone")

		By("a note of one's own is anyone's")
		Expect(
			m.Patch(ctx, policy.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"seen":"yes"}}}`))),
		).To(Succeed())
	})

	It("cannot bring one of the stack's policies back under another name, wider", func(ctx SpecContext) {
		copied := own(ctx, "api-ingress")
		copied.ObjectMeta = metav1.ObjectMeta{Namespace: ns, Name: "renamed", Labels: copied.Labels, OwnerReferences: copied.OwnerReferences}
		copied.Spec.Ingress = append(copied.Spec.Ingress, networkingv1.NetworkPolicyIngressRule{})
		Expect(m.Create(ctx, copied)).To(refusedBy("network-policies"))
	})

	It("cannot widen step by step", func(ctx SpecContext) {
		policy := object(
			ns,
			`{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: steps}, spec: {podSelector: {}, policyTypes: [Ingress]}}`,
		)
		Expect(m.Create(ctx, policy)).To(Succeed(), "denying is allowed")
		for _, c := range changes(`{"spec":{"ingress":[{}]}}`, `[{"op":"add","path":"/spec/ingress","value":[{}]}]`) {
			Expect(m.Patch(ctx, policy.DeepCopy(), client.RawPatch(c.kind, []byte(c.body)))).To(refusedBy("network-policies"), c.name)
		}
		Expect(
			m.Patch(
				ctx,
				policy.DeepCopy(),
				client.RawPatch(types.MergePatchType, []byte(`{"spec":{"podSelector":{"matchLabels":{"app":"web"}},"ingress":[{}]}}`)),
			),
		).
			To(Succeed(), "for other pods it may")
		Expect(m.Patch(ctx, policy.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"podSelector":{"matchLabels":null}}}`)))).
			To(refusedBy("network-policies"), "and then not for all")
	})

	It("cannot turn the stack's own Services outwards, nor another towards the stack", func(ctx SpecContext) {
		api := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: v1alpha1.ChildName(made.Name, "api")}}
		for _, c := range changes(`{"spec":{"type":"NodePort"}}`, `[{"op":"replace","path":"/spec/type","value":"NodePort"}]`) {
			Expect(m.Patch(ctx, api.DeepCopy(), client.RawPatch(c.kind, []byte(c.body)))).To(refusedBy("services"), c.name)
		}
		Expect(
			m.Patch(ctx, api.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"spec":{"externalIPs":["192.0.2.7"]}}`))),
		).To(refusedBy("services"))
		mine := object(ns, `{apiVersion: v1, kind: Service, metadata: {name: mine}, spec: {selector: {app: web}, ports: [{port: 10002}]}}`)
		Expect(m.Create(ctx, mine)).To(Succeed())
		Expect(
			m.Patch(
				ctx,
				mine,
				client.RawPatch(types.MergePatchType, []byte(`{"spec":{"selector":{"app":null,"app.kubernetes.io/component":"api"}}}`)),
			),
		).To(refusedBy("services"))
	})

	It("cannot put addresses among those of the stack's Services", func(ctx SpecContext) {
		var slices discoveryv1.EndpointSliceList
		backend := v1alpha1.ChildName(made.Name, v1alpha1.ComponentBackend)
		Eventually(func(g Gomega) {
			g.Expect(root.List(ctx, &slices, client.InNamespace(ns), client.MatchingLabels{discoveryv1.LabelServiceName: backend})).To(Succeed())
			g.Expect(slices.Items).NotTo(BeEmpty())
		}).Should(Succeed())
		slice := &slices.Items[0]
		steal := `[{"addresses":["192.0.2.7"]}]`
		for _, c := range changes(`{"endpoints":`+steal+`}`, `[{"op":"add","path":"/endpoints","value":`+steal+`}]`) {
			Expect(m.Patch(ctx, slice.DeepCopy(), client.RawPatch(c.kind, []byte(c.body)))).To(refusedBy("endpoints"), c.name)
		}
		mine := object(
			ns,
			`{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: mine, labels: {kubernetes.io/service-name: web}}, addressType: IPv4, endpoints: [{addresses: [192.0.2.7]}], ports: [{port: 80}]}`,
		)
		Expect(m.Create(ctx, mine)).To(Succeed())
		Expect(
			m.Patch(
				ctx,
				mine.DeepCopy(),
				client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"kubernetes.io/service-name":"`+backend+`"}}}`)),
			),
		).To(refusedBy("endpoints"))
		Expect(
			m.Patch(ctx, mine.DeepCopy(), client.RawPatch(types.MergePatchType, []byte(`{"ports":[{"port":10002}]}`))),
		).To(refusedBy("endpoints"))
	})

	It("cannot turn an Ingress or a route towards the stack, by whichever version", func(ctx SpecContext) {
		ingress := object(
			ns,
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: mine}, spec: {defaultBackend: {service: {name: web, port: {number: 80}}}}}`,
		)
		Expect(m.Create(ctx, ingress)).To(Succeed())
		name := v1alpha1.ChildName(made.Name, "api")
		for _, c := range changes(`{"spec":{"defaultBackend":{"service":{"name":"`+name+`"}}}}`,
			`[{"op":"replace","path":"/spec/defaultBackend/service/name","value":"`+name+`"}]`) {
			Expect(m.Patch(ctx, ingress.DeepCopy(), client.RawPatch(c.kind, []byte(c.body)))).To(refusedBy("ingresses"), c.name)
		}
		mine := object(ns, route("v1", "HTTPRoute", "{name: web, port: 80}"))
		Expect(m.Create(ctx, mine)).To(Succeed())
		old := &unstructured.Unstructured{}
		old.SetAPIVersion("gateway.networking.k8s.io/v1beta1")
		old.SetKind("HTTPRoute")
		old.SetNamespace(ns)
		old.SetName(mine.GetName())
		Expect(
			m.Patch(
				ctx,
				old,
				client.RawPatch(types.MergePatchType, []byte(`{"spec":{"rules":[{"backendRefs":[{"name":"`+name+`","port":10002}]}]}}`)),
			),
		).To(refusedBy("routes"))
	})
})

const innocentDeployment = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: mine}, spec: {replicas: 0, selector: {matchLabels: {app: mine}}, template: {metadata: {labels: {app: mine}}, spec: {containers: [{name: x, image: x}]}}}}`

var _ = Describe("What is there before the stack", func() {
	It("stays, is the audit's to find, and can still be annotated, finalised and deleted, but not be widened", func(ctx SpecContext) {
		ns := namespace("Enforce")
		m := as(mallory)
		policy, deployment := breaches[0].object(ns), object(ns, innocentDeployment)
		Expect(
			unstructured.SetNestedStringMap(
				deployment.Object,
				map[string]string{"app": "mine", v1alpha1.LabelInstance: stack, v1alpha1.LabelPartOf: v1alpha1.PartOf},
				"spec",
				"template",
				"metadata",
				"labels",
			),
		).To(Succeed())
		policy.SetFinalizers([]string{"example.com/slow"})
		Expect(m.Create(ctx, policy)).To(Succeed())
		Expect(m.Create(ctx, deployment)).To(Succeed())
		addStack(ns, stack)

		Expect(m.Patch(ctx, deployment, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"a":"b"}}}`)))).To(Succeed())
		Expect(
			m.Patch(ctx, deployment, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"template":{"spec":{"hostNetwork":true}}}}`))),
		).To(refusedBy("workloads"))
		Expect(
			m.Patch(ctx, policy, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"egress":[{}],"policyTypes":["Ingress","Egress"]}}`))),
		).To(refusedBy("network-policies"))
		Expect(m.Delete(ctx, policy)).To(Succeed())
		Expect(m.Patch(ctx, policy, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))).To(Succeed())
		Eventually(
			func() error { return root.Get(ctx, client.ObjectKeyFromObject(policy), policy.DeepCopy()) },
		).Should(MatchError(ContainSubstring("not found")))
	})

	It("makes no pods, even by the ReplicaSet controller, that a stack's selector would not", func(ctx SpecContext) {
		ns := namespace("Enforce")
		m := as(mallory)
		set := object(ns, workload("apps/v1", "StatefulSet", "replicas: 0, serviceName: x, selector: {matchLabels: "+
			"{app.kubernetes.io/instance: chat}}"))
		Expect(m.Create(ctx, set)).To(Succeed())
		addStack(ns, stack)
		Expect(
			m.SubResource("scale").Update(ctx, set, client.WithSubResourceBody(&autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 1}})),
		).To(Succeed())
		Eventually(func(g Gomega) {
			var events corev1.EventList
			g.Expect(root.List(ctx, &events, client.InNamespace(ns))).To(Succeed())
			g.Expect(events.Items).To(ContainElement(HaveField("Message", ContainSubstring(policyName("pods")))))
		}).Should(Succeed(), "the StatefulSet controller is told no")
		var pods corev1.PodList
		Expect(root.List(ctx, &pods, client.InNamespace(ns))).To(Succeed())
		Expect(pods.Items).To(BeEmpty())
	})
})
