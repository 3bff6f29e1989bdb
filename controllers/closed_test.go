package controllers_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/openim"
)

// mounting returns templates by which pods of rpc-user read a Secret.
func mounting(secret string) *v1alpha1.Pods {
	return &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: "rpc-user", Template: &runtime.RawExtension{
		Raw: fmt.Appendf(nil, `{"spec":{"volumes":[{"name":"files","secret":{"secretName":%q}}]}}`, secret)}}}}
}

// settings returns the condition SettingsAccepted.
func (b *bench) settings() metav1.Condition {
	c := apimeta.FindStatusCondition(b.stack().Status.Conditions, v1alpha1.ConditionSettingsAccepted)
	b.Expect(c).NotTo(BeNil())
	return *c
}

func (b *bench) expectRefused(text string) {
	b.Expect(b.reconcile()).To(Succeed())
	b.Expect(b.settings()).To(And(HaveField("Reason", v1alpha1.ReasonPodTemplateRefused), HaveField("Message", ContainSubstring(text))))
}

func (b *bench) expectAccepted() {
	b.Expect(b.reconcile()).To(Succeed())
	b.Expect(b.settings()).To(HaveField("Reason", v1alpha1.ReasonAccepted))
}

// neighbour is another stack of the namespace that names a Secret.
func neighbour(secret string) *v1alpha1.OpenIMStack {
	return &v1alpha1.OpenIMStack{
		ObjectMeta: metav1.ObjectMeta{Name: "other", Namespace: benchNamespace, UID: "other"},
		Spec:       v1alpha1.OpenIMStackSpec{SecretRef: &v1alpha1.LocalReference{Name: secret}},
	}
}

// The cases share one stack, and each leaves it as accepted.
func TestTemplatesReadNoSecretOfAnotherSpec(t *testing.T) {
	b := newBench(t)
	for name, check := range map[string]func(*testing.T, *bench){
		"one edit drops the field and reads the Secret": oneEditDropsTheField,
		"another stack names the Secret":                aNeighbourNamesTheSecret,
		"a field names a generated Secret":              aFieldNamesAGeneratedSecret,
		"a run revision cannot be read":                 aRevisionCannotBeRead,
		"an object leads to the Secret":                 anObjectLeadsToTheSecret,
	} {
		t.Run(name, func(t *testing.T) {
			b.WithT = NewWithT(t)
			b.restart()
			check(t, b)
		})
	}
}

func oneEditDropsTheField(_ *testing.T, b *bench) {
	before := b.deployments()
	kept := b.stack().Spec.Wrapper.Redis.CredentialsRef
	b.edit(func(s *v1alpha1.OpenIMStack) {
		s.Spec.Wrapper.Redis.CredentialsRef, s.Spec.Pods = nil, mounting("redis-wrapper")
	})
	const why = "Secret redis-wrapper is that of spec.wrapper.redis.credentialsRef in a kept run revision, which pods of rpc-user do not read"
	b.expectRefused(why)
	b.restart()
	b.expectRefused(why)
	b.Expect(b.restarted(before)).To(BeEmpty())

	b.edit(func(s *v1alpha1.OpenIMStack) {
		s.Spec.Wrapper.Redis.CredentialsRef, s.Spec.Pods = kept, mounting("mine")
	})
	b.expectAccepted()
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = nil })
	b.expectAccepted()
}

// The spec names an object of another operator, and the object names the Secret.
func anObjectLeadsToTheSecret(t *testing.T, b *bench) {
	queues := schema.GroupVersionKind{Group: "queues.example.com", Version: "v1", Kind: "Queue"}
	b.c.RESTMapper().(*apimeta.DefaultRESTMapper).Add(queues, apimeta.RESTScopeNamespace) //nolint:forcetypeassert // the fake client's
	b.Expect(b.c.Create(t.Context(), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "queues.example.com/v1", "kind": "Queue", "metadata": map[string]any{"name": "events", "namespace": benchNamespace},
		"status": map[string]any{"binding": map[string]any{"name": "bound"}},
	}})).To(Succeed())
	kept := b.stack().Spec.Dependencies.Kafka
	host, port, err := net.SplitHostPort(string(kept.Brokers[0]))
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(b.c.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "bound", Namespace: benchNamespace},
		Data: map[string][]byte{
			"host": []byte(host), "port": []byte(port), v1alpha1.KeyUsername: []byte("openim"), v1alpha1.KeyPassword: []byte("example"),
		},
	})).To(Succeed())
	b.edit(func(s *v1alpha1.OpenIMStack) {
		s.Spec.Dependencies.Kafka = v1alpha1.Kafka{Peers: kept.Peers, PeerPort: kept.PeerPort, ResourceRef: &v1alpha1.ResourceReference{
			APIVersion: "queues.example.com/v1", Kind: "Queue", Name: "events",
		}}
		s.Spec.Pods = mounting("bound")
	})
	b.expectRefused("Secret bound is that of spec.dependencies.kafka.resourceRef, which pods of rpc-user do not read")
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = nil })
	b.expectAccepted()
	b.Expect(*apimeta.FindStatusCondition(b.stack().Status.Conditions, v1alpha1.ConditionDependenciesReady)).To(
		HaveField("Status", metav1.ConditionTrue))

	before := b.deployments()
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Dependencies.Kafka, s.Spec.Pods = kept, mounting("bound") })
	const why = "Secret bound is that of spec.dependencies.kafka.resourceRef in a kept run revision, which pods of rpc-user do not read"
	b.expectRefused(why)
	b.restart()
	b.expectRefused(why)
	b.Expect(b.restarted(before)).To(BeEmpty())
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = nil })
	b.expectAccepted()

	other := neighbour("theirs")
	data := revision.Data{SchemaVersion: revision.SchemaVersion, Inputs: revision.Inputs{Facts: openim.Facts{
		Bound: map[string][]string{"theirs-bound": {"spec.dependencies.kafka.resourceRef"}},
	}}}
	run, err := revision.New(other, manifests.CommonLabels("other"), data, 1, nil)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(b.c.Create(t.Context(), run)).To(Succeed())
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = mounting("theirs-bound") })
	b.expectRefused("Secret theirs-bound is that of another OpenIMStack of the namespace")
	b.Expect(b.c.Delete(t.Context(), run)).To(Succeed())
	b.expectAccepted()
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = nil })
	b.expectAccepted()
}

func aNeighbourNamesTheSecret(t *testing.T, b *bench) {
	other := neighbour("theirs")
	b.Expect(b.c.Create(t.Context(), other)).To(Succeed())
	b.Expect(b.c.Create(t.Context(), elsewhere())).To(Succeed())
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = mounting("distant") })
	b.expectAccepted()
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = mounting("theirs") })
	b.expectRefused("Secret theirs is that of another OpenIMStack of the namespace")

	// Its spec drops the Secret. A run revision still has it: the pods of the neighbour may be made from that.
	data := revision.Data{SchemaVersion: revision.SchemaVersion, Inputs: revision.Inputs{Spec: other.Spec}}
	run, err := revision.New(other, manifests.CommonLabels("other"), data, 1, nil)
	b.Expect(err).NotTo(HaveOccurred())
	b.Expect(b.c.Create(t.Context(), run)).To(Succeed())
	broken := run.DeepCopy()
	broken.Name, broken.UID, broken.ResourceVersion, broken.Data.Raw = "other-run-0123456789", "", "", []byte(`{"schemaVersion":1}`)
	b.Expect(b.c.Create(t.Context(), broken)).To(Succeed(), "a damaged one says nothing, and stops nobody")
	b.Expect(b.c.Update(t.Context(), withSecretRef(b, other, nil))).To(Succeed())
	b.expectRefused("Secret theirs is that of another OpenIMStack of the namespace")

	b.Expect(b.c.Delete(t.Context(), run)).To(Succeed())
	b.expectAccepted()
	b.Expect(b.c.Update(t.Context(), withSecretRef(b, other, &v1alpha1.LocalReference{Name: "theirs"}))).To(Succeed())
	b.expectRefused("Secret theirs is that of another OpenIMStack of the namespace")
	b.Expect(b.c.Delete(t.Context(), other)).To(Succeed())
	b.expectAccepted()
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = mounting("other-login") })
	b.expectRefused("Secret other-login has the name of a key that the operator generates")
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods = nil })
	b.expectAccepted()
}

// The gateway must not have the custody key, nor the key of a stack that is gone.
func aFieldNamesAGeneratedSecret(t *testing.T, b *bench) {
	before := b.deployments()
	b.Expect(b.c.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "gone-login", Namespace: benchNamespace, Labels: manifests.CommonLabels("gone")},
		Data:       map[string][]byte{v1alpha1.KeyLogin: []byte("a key")},
	})).To(Succeed())
	b.Expect(b.c.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "ca-login", Namespace: benchNamespace}, Data: map[string][]byte{"key": []byte("x")},
	})).To(Succeed())
	authority := func(name string) {
		b.edit(func(s *v1alpha1.OpenIMStack) {
			s.Spec.Wrapper.Redis.TLS = &v1alpha1.RedisTLS{CASecretRef: &v1alpha1.KeyReference{Name: name, Key: "key"}}
		})
		b.Expect(b.reconcile()).To(Succeed())
	}
	references := func() metav1.Condition {
		return *apimeta.FindStatusCondition(b.stack().Status.Conditions, v1alpha1.ConditionDependenciesReady)
	}
	for _, name := range []string{benchStack + "-custody", benchStack + "-assertion", "gone-login"} {
		authority(name)
		b.Expect(references()).To(And(HaveField("Reason", v1alpha1.ReasonSecretInvalid), HaveField("Message", ContainSubstring(
			"spec.wrapper.redis.tls.caSecretRef: Secret "+name+" is a key that the operator generated for a stack"))))
		b.Expect(b.restarted(before)).To(BeEmpty(), name)
		b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Redis.TLS = nil })
		b.expectAccepted()
	}
	authority("ca-login") // of the user's own
	b.Expect(references()).To(HaveField("Message", Not(ContainSubstring("generated"))))
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Redis.TLS = nil })
	b.expectAccepted()
	b.Expect(references()).To(HaveField("Status", metav1.ConditionTrue))
}

func withSecretRef(b *bench, stack *v1alpha1.OpenIMStack, ref *v1alpha1.LocalReference) *v1alpha1.OpenIMStack {
	b.Expect(b.get(stack.Name, stack)).To(Succeed())
	stack.Spec.SecretRef = ref
	return stack
}

// elsewhere is a stack of another namespace.
func elsewhere() *v1alpha1.OpenIMStack {
	stack := neighbour("distant")
	stack.Namespace, stack.UID = "elsewhere", "elsewhere"
	return stack
}

// unreadable is an API server that does not answer for run revisions.
type unreadable struct{ client.Reader }

func (u unreadable) Get(ctx context.Context, key client.ObjectKey, o client.Object, options ...client.GetOption) error {
	if _, run := o.(*appsv1.ControllerRevision); run && key.Name == "other-run-4f53cda18c" {
		return errors.New("no answer")
	}
	return u.Reader.Get(ctx, key, o, options...)
}

// What cannot be read is not known to be open: nothing changes until it is read.
func aRevisionCannotBeRead(t *testing.T, b *bench) {
	other := neighbour("theirs")
	data := revision.Data{SchemaVersion: revision.SchemaVersion, Inputs: revision.Inputs{Spec: other.Spec}}
	run, err := revision.New(other, manifests.CommonLabels("other"), data, 1, nil)
	b.Expect(err).NotTo(HaveOccurred())
	run.Name = "other-run-4f53cda18c"
	b.Expect(b.c.Create(t.Context(), run)).To(Succeed())
	before := b.deployments()
	b.r = controllers.NewReconciler(b.c, unreadable{b.c}, b.events, prober.New(b.c, b.c, prober.Options{}),
		manifests.Options{WrapperImage: manifeststest.WrapperImage}, dependencies.Access{})
	b.edit(func(s *v1alpha1.OpenIMStack) {
		s.Spec.Pods = mounting("theirs")
		s.Spec.Pods.ServiceAccountAnnotations = map[string]v1alpha1.AnnotationValue{benchRole: "first"}
	})
	b.Expect(b.reconcile()).To(MatchError(ContainSubstring("reading ControllerRevision other-run-4f53cda18c for the Secrets")))
	b.Expect(b.settings()).To(HaveField("Status", metav1.ConditionUnknown))
	b.Expect(b.restarted(before)).To(BeEmpty())
	b.Expect(b.account("api").Annotations).NotTo(HaveKey(benchRole))
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Pods.Components = nil }) // reads no Secret: nobody needs the revisions
	b.expectAccepted()
	b.Expect(b.account("api").Annotations).To(HaveKeyWithValue(benchRole, "first"))
	b.Expect(b.c.Delete(t.Context(), run)).To(Succeed())
}

const benchRole = "eks.amazonaws.com/role-arn"

func (b *bench) account(component string) *corev1.ServiceAccount {
	var account corev1.ServiceAccount
	b.Expect(b.get(benchStack+"-"+component, &account)).To(Succeed())
	return &account
}

func (b *bench) evictable(component string) string {
	var budget policyv1.PodDisruptionBudget
	b.Expect(b.get(benchStack+"-"+component, &budget)).To(Succeed())
	return budget.Spec.MaxUnavailable.String()
}

// While anything of spec.pods is refused, accounts and budgets are repaired as they were accepted last, also by another process, which has
// the live objects alone: annotations and budgets make no run revision.
func TestRefusedTemplatesLeaveAccountsAndBudgetsAsTheyWere(t *testing.T) {
	b := newBench(t)
	choose := func(role string, unavailable int32, template string) {
		b.edit(func(s *v1alpha1.OpenIMStack) {
			s.Spec.Pods = &v1alpha1.Pods{
				ServiceAccountAnnotations: map[string]v1alpha1.AnnotationValue{benchRole: v1alpha1.AnnotationValue(role)},
				Components:                []v1alpha1.ComponentPods{{Name: "rpc", MaxUnavailable: ptr.To(intstr.FromInt32(unavailable))}},
				Template:                  &runtime.RawExtension{Raw: []byte(template)},
			}
		})
	}
	choose("first", 2, `{}`)
	b.expectAccepted()
	choose("second", 3, `{}`)
	b.expectAccepted()
	b.Expect([]string{b.account("api").Annotations[benchRole], b.evictable("rpc-user")}).To(Equal([]string{"second", "3"}))

	damage := func() {
		drifted := b.account("api")
		drifted.AutomountServiceAccountToken = ptr.To(true)
		b.Expect(b.c.Update(t.Context(), drifted)).To(Succeed())
		b.Expect(b.c.Delete(t.Context(), b.account("push"))).To(Succeed())
		b.Expect(b.c.Delete(t.Context(), &policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: benchNamespace, Name: "chat-push"}})).To(Succeed())
	}
	repaired := func(role string) {
		t.Helper()
		b.Expect(b.account("api").AutomountServiceAccountToken).To(HaveValue(BeFalse()))
		for _, component := range []string{"api", "push", string(openim.RPCAuth)} {
			b.Expect(b.account(component).Annotations).To(HaveKeyWithValue(benchRole, role), component)
		}
		b.Expect([]string{b.evictable("rpc-user"), b.evictable("push")}).To(Equal([]string{"3", "1"}))
	}
	choose("third", 4, `{"spec":{"hostNetwork":true}}`)
	b.expectRefused("hostNetwork")
	repaired("second")
	damage()
	b.expectRefused("hostNetwork")
	repaired("second")
	b.restart()
	damage()
	b.expectRefused("hostNetwork")
	repaired("second")

	choose("third", 3, `{}`)
	b.expectAccepted()
	repaired("third")
}
