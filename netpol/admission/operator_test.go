package admission_test

import (
	"context"
	"os"
	"path/filepath"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// The stacks of controllers/manifests' own tests.
var stacks = filepath.Join("..", "..", "controllers", "manifests", "testdata")

// build works out the children of one of them, as it would be in a namespace.
func build(ns, folder string) (*v1alpha1.OpenIMStack, []client.Object) {
	var made v1alpha1.OpenIMStack
	var objects []client.Object
	for _, o := range readYAML(filepath.Join(stacks, folder, "in.yaml")) {
		if o.GetKind() == "OpenIMStack" {
			text, err := yaml.Marshal(o.Object)
			Expect(err).NotTo(HaveOccurred())
			Expect(yaml.UnmarshalStrict(text, &made)).To(Succeed())
			continue
		}
		objects = append(objects, decode(o))
	}
	for _, o := range objects {
		if o.GetNamespace() == made.Namespace {
			o.SetNamespace(ns)
		}
		if grant, ok := o.(*unstructured.Unstructured); ok && grant.GetKind() == dependencies.ReferenceGrant.Kind {
			from := []any{map[string]any{"group": v1alpha1.GroupVersion.Group, "kind": "OpenIMStack", "namespace": ns}}
			Expect(unstructured.SetNestedSlice(grant.Object, from, "spec", "from")).To(Succeed())
		}
	}
	made.Namespace = ns
	Expect(root.Create(context.Background(), &made)).To(Succeed())
	known(ns, made.Name)
	facts, problems, err := dependencies.Resolve(context.Background(), fake.NewClientBuilder().WithObjects(objects...).Build(), &made)
	Expect(err).NotTo(HaveOccurred())
	Expect(problems).To(BeEmpty())
	children, err := manifests.Build(&made, facts, manifests.Options{
		WrapperImage: "openimstack/openim-wrapper:test", SupervisorImage: "openimstack/openim-supervisor:test",
	})
	Expect(err).NotTo(HaveOccurred())
	return &made, children
}

func decode(o *unstructured.Unstructured) client.Object {
	typed, err := clientgoscheme.Scheme.New(o.GroupVersionKind())
	if runtime.IsNotRegisteredError(err) {
		return o // of another operator
	}
	Expect(err).NotTo(HaveOccurred())
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, typed)).To(Succeed())
	if secret, ok := typed.(*corev1.Secret); ok {
		secret.Data = map[string][]byte{}
		for key, value := range secret.StringData {
			secret.Data[key] = []byte(value)
		}
		secret.StringData = nil
	}
	return typed.(client.Object)
}

// applied writes a stack's children as the operator.
func applied(ctx context.Context, ns, folder string) (*v1alpha1.OpenIMStack, []client.Object, user) {
	made, children := build(ns, folder)
	o := as(operator)
	applier := apply.New(o, root, apply.Options{Owner: "openim-operator", InitialReplicas: v1alpha1.AnnotationInitialReplicas})
	for _, child := range children {
		_, err := applier.Apply(ctx, child)
		Expect(err).NotTo(HaveOccurred())
	}
	Expect(o.heard()).To(BeEmpty())
	return made, children, o
}

var _ = Describe("The operator", func() {
	folders, err := os.ReadDir(stacks)
	if err != nil {
		panic(err)
	}
	for _, folder := range folders {
		if !folder.IsDir() {
			continue // a list that the cases share
		}
		It("writes all children of the stack "+folder.Name()+", and the controllers make its pods and slices", func(ctx SpecContext) {
			ns := namespace("Enforce")
			class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "messaging"}, Value: 1} // of the templates of one stack
			Expect(client.IgnoreAlreadyExists(root.Create(ctx, class))).To(Succeed())
			made, children, o := applied(ctx, ns, folder.Name())
			var deployments, services int
			for _, child := range children {
				switch child := child.(type) {
				case *appsv1.Deployment:
					deployments++
				case *corev1.Service:
					if len(child.Spec.Selector) > 0 {
						services++
					}
				}
			}
			Expect(deployments).To(BeNumerically(">", 10))
			Eventually(func(g Gomega) {
				var pods corev1.PodList
				g.Expect(root.List(ctx, &pods, client.InNamespace(ns))).To(Succeed())
				components := map[string]bool{}
				for _, pod := range pods.Items {
					components[pod.Labels[v1alpha1.LabelComponent]] = true
				}
				g.Expect(components).To(HaveLen(deployments))
				var slices discoveryv1.EndpointSliceList
				g.Expect(root.List(ctx, &slices, client.InNamespace(ns))).To(Succeed())
				g.Expect(len(slices.Items)).To(BeNumerically(">=", services))
			}).Should(Succeed(), "with their own accounts, in mode Enforce")

			By("changing a Deployment, which rolls")
			var api appsv1.Deployment
			Expect(root.Get(ctx, client.ObjectKey{Namespace: ns, Name: v1alpha1.ChildName(made.Name, "api")}, &api)).To(Succeed())
			before := api.DeepCopy()
			metav1.SetMetaDataAnnotation(&api.Spec.Template.ObjectMeta, v1alpha1.AnnotationCredentials, "new")
			Expect(o.Patch(ctx, &api, client.MergeFrom(before))).To(Succeed())
			Eventually(func(g Gomega) {
				var sets appsv1.ReplicaSetList
				g.Expect(root.List(ctx, &sets, client.InNamespace(ns), client.MatchingLabels(api.Spec.Selector.MatchLabels))).To(Succeed())
				g.Expect(sets.Items).To(ContainElement(HaveField("Spec.Template.Annotations", HaveKeyWithValue(v1alpha1.AnnotationCredentials, "new"))))
			}).Should(Succeed())

			By("deleting a policy")
			Expect(o.Delete(ctx, &networkingv1.NetworkPolicy{ObjectMeta: *policyOf(children).DeepCopy()})).To(Succeed())
			Expect(o.heard()).To(BeEmpty())

			By("deleting the stack, in the foreground: the garbage collector deletes what is left while the stack still is there")
			Expect(as(mallory).Delete(ctx, made, client.PropagationPolicy("Foreground"))).To(Succeed())
			Eventually(func(g Gomega) {
				var policies networkingv1.NetworkPolicyList
				g.Expect(root.List(ctx, &policies, client.InNamespace(ns))).To(Succeed())
				g.Expect(policies.Items).To(BeEmpty())
			}).Should(Succeed())
		})
	}

	It("loses nothing when its namespace goes, but the namespace", func(ctx SpecContext) {
		ns := namespace("Enforce")
		applied(ctx, ns, "minimal")
		Expect(as(mallory).Delete(ctx, &corev1.Namespace{ObjectMeta: namespaceMeta(ns)})).To(Succeed())
		Eventually(func() error {
			return root.Get(ctx, client.ObjectKey{Name: ns}, &corev1.Namespace{})
		}).Should(MatchError(ContainSubstring("not found")))
	})
})
