package apply

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

func whole() metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: "im", Name: "chat", UID: "u", ResourceVersion: "7", Generation: 2, Labels: identity, Annotations: map[string]string{"a": "b"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "chat", UID: "new", Controller: ptr.To(true)}},
		ManagedFields:   []metav1.ManagedFieldsEntry{{Manager: "us", Operation: metav1.ManagedFieldsOperationApply}},
	}
}

func slimKinds() []client.Object {
	return []client.Object{
		&networkingv1.NetworkPolicy{ObjectMeta: whole(), Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		}},
		&corev1.ConfigMap{ObjectMeta: whole(), Data: map[string]string{"k": "v"}},
		&corev1.Service{ObjectMeta: whole(), Spec: corev1.ServiceSpec{ExternalName: "example.com"}},
		&corev1.ServiceAccount{ObjectMeta: whole(), AutomountServiceAccountToken: ptr.To(false)},
		&autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: whole(), Spec: autoscalingv2.HorizontalPodAutoscalerSpec{MaxReplicas: 3}},
		&gatewayv1.HTTPRoute{ObjectMeta: whole(), Spec: gatewayv1.HTTPRouteSpec{Hostnames: []gatewayv1.Hostname{"im.example.com"}}},
		&gatewayv1.BackendTLSPolicy{ObjectMeta: whole(), Spec: gatewayv1.BackendTLSPolicySpec{
			Validation: gatewayv1.BackendTLSPolicyValidation{Hostname: "im.example.com"},
		}},
		&policyv1.PodDisruptionBudget{ObjectMeta: whole(), Spec: policyv1.PodDisruptionBudgetSpec{MinAvailable: ptr.To(intstr.FromInt32(1))}},
	}
}

// The digest of a slim object is that of the whole one, in the form in which the API server answers a write.
func TestASlimObjectKeepsItsDigestAndLosesItsContent(t *testing.T) {
	scheme := runtime.NewScheme()
	NewWithT(t).Expect(errors.Join(clientgoscheme.AddToScheme(scheme), gatewayv1.Install(scheme))).To(Succeed())
	a := New(fake.NewClientBuilder().WithScheme(scheme).Build(), nil, Options{Owner: "us"})
	for _, object := range slimKinds() {
		g := NewWithT(t)
		gvks, _, err := scheme.ObjectKinds(object)
		g.Expect(err).NotTo(HaveOccurred())
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		g.Expect(err).NotTo(HaveOccurred())
		answer := &unstructured.Unstructured{Object: content}
		answer.SetGroupVersionKind(gvks[0])
		wanted, err := a.typed(answer, false)
		g.Expect(err).NotTo(HaveOccurred())

		slim, err := Slim(object.DeepCopyObject())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(cachedPrint(slim.(client.Object), false)).To(Equal(wanted), "%T", object)
		rest := slim.(client.Object).DeepCopyObject().(client.Object)
		rest.SetManagedFields(nil)
		empty, err := scheme.New(gvks[0])
		g.Expect(err).NotTo(HaveOccurred())
		bare := empty.(client.Object)
		meta := whole()
		bare.SetNamespace(meta.Namespace)
		bare.SetName(meta.Name)
		bare.SetUID(meta.UID)
		bare.SetResourceVersion(meta.ResourceVersion)
		bare.SetGeneration(meta.Generation)
		bare.SetLabels(meta.Labels)
		bare.SetOwnerReferences(meta.OwnerReferences)
		g.Expect(rest).To(Equal(bare), "%T has content", object)

		again, err := Slim(slim)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(cachedPrint(again.(client.Object), false)).To(Equal(wanted), "transformed twice")
	}
}

// The status says on which nodes a port answers.
func TestASlimServiceOfNodesKeepsWhereItAnswers(t *testing.T) {
	g := NewWithT(t)
	slim, err := Slim(&corev1.Service{ObjectMeta: whole(), Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeNodePort, ExternalTrafficPolicy: corev1.ServiceExternalTrafficPolicyLocal,
		Ports: []corev1.ServicePort{{Port: 80, NodePort: 30080}}, Selector: map[string]string{"a": "b"},
	}})
	g.Expect(err).NotTo(HaveOccurred())
	kept := slim.(*corev1.Service).Spec
	g.Expect(kept.ExternalTrafficPolicy).To(Equal(corev1.ServiceExternalTrafficPolicyLocal))
	g.Expect(kept.Ports).To(HaveLen(1))
	g.Expect(kept.Selector).To(BeNil())
}

// A digest that a client wrote would hide a change from the operator.
func TestNobodyGivesAnObjectADigest(t *testing.T) {
	g := NewWithT(t)
	original := slimKinds()[0].(*networkingv1.NetworkPolicy)
	slim, err := Slim(original.DeepCopy())
	g.Expect(err).NotTo(HaveOccurred())
	carrier := slim.(client.Object).GetManagedFields()
	g.Expect(validation.ValidateManagedFields(carrier, field.NewPath("managedFields"))).NotTo(BeEmpty(), "the API server refuses it")

	before, err := cachedPrint(slim.(client.Object), false)
	g.Expect(err).NotTo(HaveOccurred())
	open := original.DeepCopy()
	open.Spec.Ingress = []networkingv1.NetworkPolicyIngressRule{{}}
	carrier[0].Operation = metav1.ManagedFieldsOperationUpdate
	open.ManagedFields = carrier
	changed, err := Slim(open)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(cachedPrint(changed.(client.Object), false)).NotTo(Equal(before))
}

func TestOtherObjectsStayWhole(t *testing.T) {
	g := NewWithT(t)
	d := &appsv1.Deployment{ObjectMeta: whole(), Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](3)}}
	kept, err := Slim(d)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(*kept.(*appsv1.Deployment).Spec.Replicas).To(Equal(int32(3)))
	g.Expect(kept.(*appsv1.Deployment).ManagedFields).To(BeNil())
	tombstone := cache.DeletedFinalStateUnknown{Key: "im/chat"}
	g.Expect(Slim(tombstone)).To(Equal(tombstone))
}
