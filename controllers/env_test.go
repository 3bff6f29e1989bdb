package controllers_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// testEnv is a namespace with everything that a stack refers to.
type testEnv struct {
	ctx       context.Context
	namespace string
}

// newTestEnv creates the namespace, with a name that no other has, and what is in it.
func newTestEnv(ctx context.Context) testEnv {
	w := newNamespace(ctx, metav1.ObjectMeta{GenerateName: "im-"})
	w.fill()
	return w
}

// newNamespace creates an empty namespace. Its stacks are deleted when the spec has ended: operators of later specs would reconcile them
// too.
func newNamespace(ctx context.Context, meta metav1.ObjectMeta) testEnv {
	ns := &corev1.Namespace{ObjectMeta: meta}
	Expect(k8s.Create(ctx, ns)).To(Succeed())
	w := testEnv{ctx: ctx, namespace: ns.Name}
	DeferCleanup(func() {
		Expect(k8s.DeleteAllOf(w.ctx, &v1alpha1.OpenIMStack{}, client.InNamespace(w.namespace))).To(Succeed())
	})
	return w
}

// fill creates what stacks refer to.
func (w testEnv) fill() {
	for name, port := range map[string]int32{"kafka": 9092, "redis": 6379, "mongodb": 27017, "etcd": 2379, "redis-wrapper": 6379} {
		w.create(&corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace},
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{
				Port: port, TargetPort: intstr.FromInt32(port),
			}}},
		})
	}
	w.secret("jwks", "jwks.json", `{"keys":[{"kty":"EC"}]}`)
	w.secret("redis", "password", "example")
	w.secret("redis-wrapper", "password", "example")
}

func (w testEnv) create(object client.Object) {
	GinkgoHelper()
	Expect(k8s.Create(w.ctx, object)).To(Succeed())
}

func (w testEnv) secret(name, key, value string) {
	GinkgoHelper()
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace}, Data: map[string][]byte{key: []byte(value)}})
}

// stack returns a valid stack and does not create it. Its rollouts are not checked: the specs of checkrun_test.go are about that.
func (w testEnv) stack(name string) *v1alpha1.OpenIMStack {
	address := func(service string, port int) v1alpha1.Address {
		return v1alpha1.Address(fmt.Sprintf("%s.%s.svc:%d", service, w.namespace, port))
	}
	return &v1alpha1.OpenIMStack{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: w.namespace},
		Spec: v1alpha1.OpenIMStackSpec{
			Version: "v3.8.3",
			Upgrade: unchecked(),
			Dependencies: v1alpha1.Dependencies{
				Kafka:   v1alpha1.Kafka{Brokers: []v1alpha1.Address{address("kafka", 9092)}},
				Redis:   v1alpha1.Redis{Addresses: []v1alpha1.Address{address("redis", 6379)}, CredentialsRef: &v1alpha1.LocalReference{Name: "redis"}},
				MongoDB: v1alpha1.MongoDB{Addresses: []v1alpha1.Address{address("mongodb", 27017)}},
				Etcd:    v1alpha1.Etcd{Endpoints: []v1alpha1.Address{address("etcd", 2379)}},
			},
			Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Admins: v1alpha1.AdminAuth{Issuers: []v1alpha1.Issuer{{
				Issuer: "https://id.example.com", Audiences: []string{"im-admin"},
				JWKS:  v1alpha1.JWKSSource{SecretRef: &v1alpha1.KeyReference{Name: "jwks", Key: "jwks.json"}},
				Roles: v1alpha1.Roles{Claim: "groups", Admin: []string{"im-admins"}},
			}}}}},
		},
	}
}

func unchecked() *v1alpha1.Upgrade { return &v1alpha1.Upgrade{Check: v1alpha1.CheckNone} }

// letUsersIn lets users log in to a stack.
func letUsersIn(s *v1alpha1.OpenIMStackSpec) {
	beside := strings.Replace(string(s.Dependencies.Redis.Addresses[0]), "redis.", "redis-wrapper.", 1)
	s.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
	s.Wrapper.Redis = &v1alpha1.WrapperRedis{Redis: v1alpha1.Redis{
		Addresses: []v1alpha1.Address{v1alpha1.Address(beside)}, CredentialsRef: &v1alpha1.LocalReference{Name: "redis-wrapper"},
	}}
}

// start creates a stack and waits until its Deployments exist.
func (w testEnv) start(name string, change ...func(*v1alpha1.OpenIMStackSpec)) *v1alpha1.OpenIMStack {
	GinkgoHelper()
	stack := w.stack(name)
	for _, c := range change {
		c(&stack.Spec)
	}
	w.create(stack)
	Eventually(func() int { return len(w.deployments(name)) }).Should(Equal(14))
	return stack
}

func (w testEnv) deployments(stack string) []appsv1.Deployment {
	GinkgoHelper()
	var list appsv1.DeploymentList
	Expect(k8s.List(w.ctx, &list, client.InNamespace(w.namespace), client.MatchingLabels{v1alpha1.LabelInstance: stack})).To(Succeed())
	return list.Items
}

// beReady acts as the kubelet: every pod of the namespace runs and is ready.
func (w testEnv) beReady() {
	GinkgoHelper()
	var pods corev1.PodList
	Expect(k8s.List(w.ctx, &pods, client.InNamespace(w.namespace))).To(Succeed())
	for i := range pods.Items {
		w.makeReady(&pods.Items[i])
	}
}

// makeReady acts as the kubelet for one pod.
func (w testEnv) makeReady(pod *corev1.Pod) {
	GinkgoHelper()
	if pod.DeletionTimestamp != nil {
		Expect(client.IgnoreNotFound(k8s.Delete(w.ctx, pod, client.GracePeriodSeconds(0)))).To(Succeed())
		return
	}
	if pod.Status.Phase == corev1.PodRunning || pod.Labels[v1alpha1.LabelName] == v1alpha1.NameProbe { // the probe's own kubelet plays that
		return
	}
	patch := client.MergeFrom(pod.DeepCopy()) // an update would conflict with the Deployment's controllers
	pod.Status.Phase = corev1.PodRunning
	if len(pod.Status.PodIPs) == 0 {
		pod.Status.PodIP = newAddress()
		pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	}
	// In the past, so that a Deployment's minReadySeconds are over.
	since := metav1.NewTime(pod.CreationTimestamp.Add(-60e9))
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: since}}
	Expect(client.IgnoreNotFound(k8s.Status().Patch(w.ctx, pod, patch))).To(Succeed())
}

var lastAddress atomic.Uint32

// newAddress returns an address that no pod has yet.
func newAddress() string {
	n := lastAddress.Add(1)
	return netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
}

// editObject changes an object as a person does, and once more when somebody else wrote it meanwhile.
func (w testEnv) editObject(name string, object client.Object, owner string, change func()) {
	GinkgoHelper()
	Eventually(func() error {
		if err := w.get(name, object); err != nil {
			return err
		}
		change()
		return k8s.Update(w.ctx, object, client.FieldOwner(owner))
	}).Should(Succeed())
}

// get reads an object of the namespace.
func (w testEnv) get(name string, object client.Object) error {
	return k8s.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: name}, object)
}

// condition returns a condition of a stack, nil when it is absent.
func (w testEnv) condition(stack, kind string) *metav1.Condition {
	GinkgoHelper()
	var s v1alpha1.OpenIMStack
	Expect(w.get(stack, &s)).To(Succeed())
	return apimeta.FindStatusCondition(s.Status.Conditions, kind)
}

// eventuallyReady acts as the kubelet until the stack is Ready.
func (w testEnv) eventuallyReady(stack string) {
	GinkgoHelper()
	Eventually(func(g Gomega) {
		w.beReady()
		var s v1alpha1.OpenIMStack
		g.Expect(w.get(stack, &s)).To(Succeed())
		c := apimeta.FindStatusCondition(s.Status.Conditions, v1alpha1.ConditionReady)
		g.Expect(c).NotTo(BeNil())
		g.Expect(c.ObservedGeneration).To(Equal(s.Generation))
		g.Expect(string(c.Status)).To(Equal("True"), c.Message)
	}).Should(Succeed())
}
