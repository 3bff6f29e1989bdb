package controllers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/uuid"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/controllers/prober"
)

// bench is a stack whose users may log in, on a fake API server, and an operator that reconciles when it is told to.
type bench struct {
	*WithT
	c      client.Client
	r      *controllers.Reconciler
	events *events.FakeRecorder
}

const (
	benchStack     = "chat"
	benchNamespace = "im"
)

// newBench returns a stack that was reconciled once. The operator has generated all Secrets that the stack did not find.
func newBench(t *testing.T, change ...func(*v1alpha1.OpenIMStack)) *bench {
	t.Helper()
	stack, cluster := manifeststest.Read(t, "manifests/testdata/users")
	stack.CreationTimestamp = metav1.NewTime(time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
	for _, f := range change {
		f(stack)
	}
	known := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(known); err != nil {
			t.Fatal(err)
		}
	}
	builder := fake.NewClientBuilder().WithScheme(known).WithStatusSubresource(stack).WithObjects(stack).
		WithTypeConverters(managedfields.NewDeducedTypeConverter())
	for _, o := range cluster {
		if strings.HasPrefix(o.GetName(), benchStack+"-") {
			continue // the operator generates it
		}
		builder = builder.WithObjects(o)
	}
	// The fake API server gives objects no UID.
	c := builder.WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if o.GetUID() == "" {
				o.SetUID(uuid.NewUUID())
			}
			return c.Create(ctx, o, opts...)
		},
	}).Build()
	b := &bench{WithT: NewWithT(t), c: c}
	// The fake API server, which knows no types, forgets lists of an object that two managers apply. A second process writes them again.
	for range 2 {
		b.restart()
		b.Expect(b.reconcile()).To(Succeed())
	}
	return b
}

// restart replaces the operator by another process.
func (b *bench) restart() {
	b.events = events.NewFakeRecorder(10_000)
	b.r = controllers.NewReconciler(b.c, b.c, b.events, prober.New(b.c, b.c, prober.Options{}),
		manifests.Options{WrapperImage: manifeststest.WrapperImage}, dependencies.Access{})
}

// reconcile reconciles the stack once.
func (b *bench) reconcile() error {
	_, err := b.r.Reconcile(context.Background(), ctrl.Request{NamespacedName: types.NamespacedName{
		Namespace: benchNamespace, Name: benchStack}})
	return err
}

func (b *bench) get(name string, o client.Object) error {
	return b.c.Get(context.Background(), client.ObjectKey{Namespace: benchNamespace, Name: name}, o)
}

func (b *bench) secret(suffix string) *corev1.Secret {
	var secret corev1.Secret
	if err := b.get(benchStack+"-"+suffix, &secret); apierrors.IsNotFound(err) {
		return nil
	}
	return &secret
}

func (b *bench) stack() *v1alpha1.OpenIMStack {
	var stack v1alpha1.OpenIMStack
	b.Expect(b.get(benchStack, &stack)).To(Succeed())
	return &stack
}

// edit changes the stack. As at the API server, another spec is another generation.
func (b *bench) edit(change func(*v1alpha1.OpenIMStack)) {
	stack := b.stack()
	before := stack.DeepCopy()
	change(stack)
	if stack.Generation == before.Generation && !equality.Semantic.DeepEqual(before.Spec, stack.Spec) {
		stack.Generation++
	}
	b.Expect(b.c.Update(context.Background(), stack)).To(Succeed())
}

func (b *bench) annotate(key, value string) {
	b.edit(func(s *v1alpha1.OpenIMStack) { s.Annotations = map[string]string{key: value} })
}

func (b *bench) loseStatus() {
	stack := b.stack()
	stack.Status = v1alpha1.OpenIMStackStatus{}
	b.Expect(b.c.Status().Update(context.Background(), stack)).To(Succeed())
}

// lose deletes a generated Secret and returns it.
func (b *bench) lose(suffix string) *corev1.Secret {
	secret := b.secret(suffix)
	b.Expect(secret).NotTo(BeNil())
	b.Expect(b.c.Delete(context.Background(), secret)).To(Succeed())
	return secret
}

// restore creates a Secret as from a backup: with the same content, another UID and no owner.
func (b *bench) restore(from *corev1.Secret) {
	b.Expect(b.c.Create(context.Background(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: from.Name, Namespace: from.Namespace}, Data: from.Data, Immutable: from.Immutable,
	})).To(Succeed())
}

// references returns reason and message of DependenciesReady, and whether the stack is stalled.
func (b *bench) references() (reason, message string, stalled bool) {
	stack := b.stack()
	c := apimeta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionDependenciesReady)
	b.Expect(c).NotTo(BeNil())
	return c.Reason, c.Message, apimeta.IsStatusConditionTrue(stack.Status.Conditions, v1alpha1.ConditionStalled)
}

func (b *bench) expectLost(suffix string) {
	reason, message, stalled := b.references()
	b.Expect(reason).To(Equal(v1alpha1.ReasonGeneratedSecretLost), message)
	b.Expect(message).To(And(ContainSubstring(benchStack+"-"+suffix), ContainSubstring("restore it from a backup"),
		ContainSubstring("openimstack.dev/regenerate-"+suffix+"-at"), Not(ContainSubstring("create it"))))
	b.Expect(stalled).To(BeTrue())
	b.Expect(b.secret(suffix)).To(BeNil(), "nothing takes its place")
	b.Expect(b.deployments()).To(HaveLen(14), "what runs continues")
}

func (b *bench) expectResolved() {
	reason, message, stalled := b.references()
	b.Expect(reason).To(Equal(v1alpha1.ReasonResolved), message)
	b.Expect(stalled).To(BeFalse())
}

// deployments returns the pod templates by component.
func (b *bench) deployments() map[string]corev1.PodTemplateSpec {
	var list appsv1.DeploymentList
	b.Expect(b.c.List(context.Background(), &list, client.InNamespace(benchNamespace))).To(Succeed())
	templates := map[string]corev1.PodTemplateSpec{}
	for _, d := range list.Items {
		templates[d.Labels[v1alpha1.LabelComponent]] = d.Spec.Template
	}
	return templates
}

func (b *bench) restarted(before map[string]corev1.PodTemplateSpec) []string {
	var names []string
	for name, template := range b.deployments() {
		if !equality.Semantic.DeepEqual(template, before[name]) {
			names = append(names, name)
		}
	}
	return names
}

func (b *bench) warnings() string {
	var warnings []string
	for {
		select {
		case text := <-b.events.Events:
			if strings.Contains(text, "SecretRegenerated") {
				warnings = append(warnings, text)
			}
		default:
			return strings.Join(warnings, "\n")
		}
	}
}

const at = "2026-11-30T06:00:00Z"

var generatedSuffixes = []string{v1alpha1.SuffixDigest, v1alpha1.SuffixAssertionKey, v1alpha1.SuffixShareSecret, v1alpha1.SuffixCustody,
	v1alpha1.SuffixLogin}

func TestSecretsAreGeneratedOnTheirFirstUseAndRecorded(t *testing.T) {
	b := newBench(t)
	b.expectResolved()
	recorded := map[string]string{}
	for _, r := range b.stack().Status.GeneratedSecrets {
		recorded[r.Name] = r.UID
	}
	b.Expect(recorded).To(HaveLen(5))
	for _, suffix := range generatedSuffixes {
		b.Expect(recorded[benchStack+"-"+suffix]).To(BeEquivalentTo(b.secret(suffix).UID), suffix)
	}
	b.Expect(b.warnings()).To(BeEmpty())
}

// TestALostKeyIsNotReplaced: each case is a way to lose the login key or the custody key. Afterwards it is restored.
func TestALostKeyIsNotReplaced(t *testing.T) {
	suspend := func(b *bench, value bool) { b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Suspend = ptr.To(value) }) }
	for _, suffix := range []string{v1alpha1.SuffixLogin, v1alpha1.SuffixCustody} {
		for name, lose := range map[string]func(*bench) *corev1.Secret{
			"deleted": func(b *bench) *corev1.Secret { return b.lose(suffix) },
			"deleted while the operator is away": func(b *bench) *corev1.Secret {
				lost := b.lose(suffix)
				b.restart()
				return lost
			},
			"deleted while the stack is suspended": func(b *bench) *corev1.Secret {
				suspend(b, true)
				b.Expect(b.reconcile()).To(Succeed())
				return b.lose(suffix)
			},
			"the stack was restored without status": func(b *bench) *corev1.Secret {
				lost := b.lose(suffix)
				b.loseStatus()
				b.restart()
				return lost
			},
			"deleted for the second time": func(b *bench) *corev1.Secret {
				b.restore(b.lose(suffix))
				b.Expect(b.reconcile()).To(Succeed())
				b.expectResolved()
				return b.lose(suffix)
			},
			"a request of the time before the restore": func(b *bench) *corev1.Secret {
				b.annotate("openimstack.dev/regenerate-"+suffix+"-at", "2026-10-30T06:00:00Z")
				return b.lose(suffix)
			},
			"a request that is no time": func(b *bench) *corev1.Secret {
				b.annotate("openimstack.dev/regenerate-"+suffix+"-at", "yes")
				return b.lose(suffix)
			},
			"a request that was made while nothing was lost": func(b *bench) *corev1.Secret {
				b.annotate("openimstack.dev/regenerate-"+suffix+"-at", at)
				b.Expect(b.reconcile()).To(Succeed())
				b.expectResolved()
				return b.lose(suffix)
			},
		} {
			t.Run(suffix+" "+name, func(t *testing.T) {
				b := newBench(t)
				before := b.deployments()
				lost := lose(b)
				for range 2 {
					b.Expect(b.reconcile()).To(Succeed())
					b.expectLost(suffix)
				}
				b.restore(lost)
				b.Expect(b.reconcile()).To(Succeed())
				b.expectResolved()
				suspend(b, false)
				b.Expect(b.reconcile()).To(Succeed())
				b.expectResolved()
				b.Expect(b.restarted(before)).To(BeEmpty())
			})
		}
	}
}

func TestALostKeyIsReplacedOnceForEachRequest(t *testing.T) {
	for _, suffix := range []string{v1alpha1.SuffixLogin, v1alpha1.SuffixCustody} {
		t.Run(suffix, func(t *testing.T) {
			b := newBench(t)
			keys := b.stack().Status.LoginKeys
			first := b.lose(suffix)
			b.Expect(b.reconcile()).To(Succeed())
			b.expectLost(suffix)

			b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Suspend = ptr.To(true) })
			b.annotate("openimstack.dev/regenerate-"+suffix+"-at", at)
			b.Expect(b.reconcile()).To(Succeed())
			b.Expect(b.secret(suffix)).To(BeNil(), "nothing is written while the stack is suspended")
			b.Expect(b.stack().Status.PendingChanges).To(ContainElement("Secret/" + benchStack + "-" + suffix))
			b.edit(func(s *v1alpha1.OpenIMStack) { s.Spec.Suspend = nil })

			b.Expect(b.reconcile()).To(Succeed())
			b.expectResolved()
			b.Expect(b.secret(suffix).Data).NotTo(Equal(first.Data))
			b.Expect(b.warnings()).To(ContainSubstring(benchStack + "-" + suffix + " was lost, and another value was generated"))
			if suffix == v1alpha1.SuffixLogin {
				b.Expect(b.stack().Status.LoginKeys).To(And(HaveLen(1), Not(Equal(keys))))
			}

			b.lose(suffix)
			b.Expect(b.reconcile()).To(Succeed())
			b.expectLost(suffix)
			b.annotate("openimstack.dev/regenerate-"+suffix+"-at", "2026-11-30T07:00:00Z")
			b.Expect(b.reconcile()).To(Succeed())
			b.expectResolved()
		})
	}
}

// TestARequestOutlivesTheOperator: the process ended after it had created the Secret, before it wrote the status.
func TestARequestOutlivesTheOperator(t *testing.T) {
	b := newBench(t)
	b.lose(v1alpha1.SuffixLogin)
	b.Expect(b.reconcile()).To(Succeed())
	b.annotate(v1alpha1.AnnotationRegenerateLogin, at)
	status := b.stack().Status
	b.Expect(b.reconcile()).To(Succeed())
	stack := b.stack()
	stack.Status = status
	b.Expect(b.c.Status().Update(context.Background(), stack)).To(Succeed())
	made := b.secret(v1alpha1.SuffixLogin)
	b.restart()
	b.Expect(b.reconcile()).To(Succeed())
	b.expectResolved()
	b.Expect(b.secret(v1alpha1.SuffixLogin).UID).To(Equal(made.UID))
}

func TestAnotherLoginKeyIsAcceptedOnRequest(t *testing.T) {
	b := newBench(t)
	other := b.lose(v1alpha1.SuffixLogin).DeepCopy()
	other.Data = map[string][]byte{"key": []byte("AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI")}
	b.restore(other)
	b.Expect(b.reconcile()).To(Succeed())
	reason, _, stalled := b.references()
	b.Expect(reason).To(Equal(v1alpha1.ReasonLoginKeyChanged))
	b.Expect(stalled).To(BeTrue())
	b.annotate(v1alpha1.AnnotationRegenerateLogin, at)
	b.Expect(b.reconcile()).To(Succeed())
	b.expectResolved()
	b.Expect(b.secret(v1alpha1.SuffixLogin).Data).To(Equal(other.Data))
}

// TestALostSecretOfTheStackAloneIsReplaced: its readers alone restart, and an event tells why.
func TestALostSecretOfTheStackAloneIsReplaced(t *testing.T) {
	for suffix, readers := range map[string][]string{
		v1alpha1.SuffixShareSecret:  {"rpc-auth", "backend"},
		v1alpha1.SuffixAssertionKey: {"gateway", "backend"},
		v1alpha1.SuffixDigest:       {}, // the readers of Secrets that changed meanwhile, of which there are none
	} {
		for _, status := range []string{"with status", "without status"} {
			t.Run(suffix+" "+status, func(t *testing.T) {
				b := newBench(t)
				for range 2 {
					before, first := b.deployments(), b.lose(suffix)
					if status == "without status" {
						b.loseStatus()
						b.restart()
					}
					b.Expect(b.reconcile()).To(Succeed())
					b.expectResolved()
					b.Expect(b.secret(suffix).Data).NotTo(Equal(first.Data))
					b.Expect(b.restarted(before)).To(ConsistOf(readers))
					b.Expect(b.warnings()).To(And(ContainSubstring("Warning"), ContainSubstring(first.Name), ContainSubstring("restart")))
				}
			})
		}
	}
}

func TestALostStatusIsWrittenAgain(t *testing.T) {
	b := newBench(t)
	want, before := b.stack().Status.GeneratedSecrets, b.deployments()
	b.loseStatus()
	b.restart()
	b.Expect(b.reconcile()).To(Succeed())
	b.expectResolved()
	b.Expect(b.stack().Status.GeneratedSecrets).To(ConsistOf(want))
	b.Expect(b.restarted(before)).To(BeEmpty())
}

// TestARecreatedStackStartsAnew: what an earlier stack of the name left is about to be deleted, and is not this stack's.
func TestARecreatedStackStartsAnew(t *testing.T) {
	b := newBench(t)
	custody := b.secret(v1alpha1.SuffixCustody)
	b.Expect(b.c.Delete(context.Background(), b.stack())).To(Succeed())
	stack, _ := manifeststest.Read(t, "manifests/testdata/users")
	stack.UID = "00000000-0000-0000-0000-00000000000f"
	b.Expect(b.c.Create(context.Background(), stack)).To(Succeed())
	b.Expect(b.reconcile()).To(Succeed())
	ready := apimeta.FindStatusCondition(b.stack().Status.Conditions, v1alpha1.ConditionReady)
	b.Expect(ready).NotTo(BeNil())
	b.Expect(ready.Reason).To(Equal(v1alpha1.ReasonNameConflict), ready.Message)
	b.Expect(b.secret(v1alpha1.SuffixCustody).UID).To(Equal(custody.UID))

	// The garbage collector deletes the Secrets first.
	for _, suffix := range generatedSuffixes {
		if suffix != v1alpha1.SuffixLogin {
			b.lose(suffix)
		}
	}
	_ = b.reconcile() // the Deployments of the earlier stack still have its name
	b.Expect(b.secret(v1alpha1.SuffixCustody)).NotTo(BeNil())
	b.Expect(b.warnings()).To(BeEmpty())
	reason, message, _ := b.references()
	b.Expect(reason).To(Equal(v1alpha1.ReasonResolved), message)
}

// TestOtherKeysOfTheUsersOwnAreAcceptedOnceForEachRequest: the spec names the Secret.
func TestOtherKeysOfTheUsersOwnAreAcceptedOnceForEachRequest(t *testing.T) {
	b := newBench(t)
	key := func(letter string) map[string][]byte {
		return map[string][]byte{"key": []byte(strings.Repeat(letter, 43))}
	}
	own := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "own", Namespace: benchNamespace}, Data: key("A")}
	b.Expect(b.c.Create(context.Background(), own)).To(Succeed())
	b.edit(func(s *v1alpha1.OpenIMStack) {
		s.Spec.Wrapper.Auth.Users.ServerKeys = &v1alpha1.ServerKeys{SecretRef: v1alpha1.LocalReference{Name: "own"}}
	})
	for i, time := range []string{at, "2026-11-30T07:00:00Z"} {
		b.Expect(b.reconcile()).To(Succeed())
		reason, message, _ := b.references()
		b.Expect(reason).To(Equal(v1alpha1.ReasonLoginKeyChanged), message)
		b.annotate(v1alpha1.AnnotationRegenerateLogin, time)
		b.Expect(b.reconcile()).To(Succeed())
		b.expectResolved()
		b.Expect(b.reconcile()).To(Succeed())
		b.expectResolved()
		own.Data = key([]string{"I", "Q"}[i])
		b.Expect(b.c.Update(context.Background(), own)).To(Succeed())
	}
}
