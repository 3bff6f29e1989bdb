//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

const (
	// namedWithin bounds the time from a wrong reference to its name in the status. On an idle machine it takes less than 20 s. On a loaded
	// one the first attempts of the preflight come before the network lets the new pod out, and say Unreachable; the kubelet waits 10, 20,
	// 40 and 80 s before the next.
	namedWithin = 3 * time.Minute
	// apiServerHost is the address of the API server's Service. At port 443 TLS answers, at other ports nothing.
	apiServerHost = "10.96.0.1"
	// wrongSecret is a Secret with credentials that no store accepts.
	wrongSecret = "wrong-password"
)

// storeFault is a reference that is wrong, and where and how the status must name it.
type storeFault struct {
	component string
	store     termination.StoreName
	reason    termination.StoreReason
	spoil     func(*v1alpha1.OpenIMStack)
	// restart is set to restart an earlier pod meanwhile.
	restart bool
}

// storeFaults has one entry for each way to be wrong, and one for each store with `make e2e-outages`; package preflight tries each way with
// each store. The reason is named, the earlier pods serve on, and the stack is whole again when the reference is corrected.
func storeFaults() {
	at := func(port string) v1alpha1.Address { return v1alpha1.Address(net.JoinHostPort(apiServerHost, port)) }
	dependencies := func(change func(*v1alpha1.Dependencies)) func(*v1alpha1.OpenIMStack) {
		return func(s *v1alpha1.OpenIMStack) { change(&s.Spec.Dependencies) }
	}
	DescribeTable("names a store that new pods cannot use, and serves on with the earlier pods", spoiltStore,
		Entry("a wrong password of Redis", storeFault{"rpc-user", termination.Redis, termination.AuthenticationFailed,
			dependencies(func(d *v1alpha1.Dependencies) { d.Redis.CredentialsRef = &v1alpha1.LocalReference{Name: wrongSecret} }), false},
			SpecTimeout(10*time.Minute)),
		Entry("Kafka at the API server", storeFault{"rpc-msg", termination.Kafka, termination.TLSRequired,
			dependencies(func(d *v1alpha1.Dependencies) { d.Kafka.Brokers = []v1alpha1.Address{at("443")} }), false},
			SpecTimeout(10*time.Minute)),
		Entry("MongoDB where nothing listens", storeFault{"rpc-user", termination.MongoDB, termination.Unreachable,
			dependencies(func(d *v1alpha1.Dependencies) { d.MongoDB.Addresses = []v1alpha1.Address{at("27017")} }), true},
			SpecTimeout(10*time.Minute)),
		Entry("a wrong password of the wrapper's Redis", storeFault{"backend", termination.WrapperRedis, termination.AuthenticationFailed,
			func(s *v1alpha1.OpenIMStack) {
				s.Spec.Wrapper.Redis.CredentialsRef = &v1alpha1.LocalReference{Name: wrongSecret}
			}, false},
			SpecTimeout(10*time.Minute)),
		Entry("the wrapper's Redis where nothing listens", storeFault{"backend", termination.WrapperRedis, termination.Unreachable,
			func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Redis.Addresses = []v1alpha1.Address{at("6379")} }, true},
			Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("etcd at the API server", storeFault{"rpc-user", termination.Etcd, termination.TLSRequired,
			dependencies(func(d *v1alpha1.Dependencies) { d.Etcd.Endpoints = []v1alpha1.Address{at("443")} }), true},
			Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("object storage where nothing listens", storeFault{"rpc-third", termination.ObjectStorage, termination.Unreachable,
			dependencies(func(d *v1alpha1.Dependencies) {
				d.ObjectStorage = &v1alpha1.ObjectStorage{MinIO: v1alpha1.MinIO{InternalAddress: at("9000"),
					ExternalAddress: "https://files.example.com", CredentialsRef: v1alpha1.LocalReference{Name: wrongSecret}}}
			}), true}, Label(outagesLabel), SpecTimeout(10*time.Minute)),
	)
}

func spoiltStore(ctx SpecContext, fault storeFault) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: wrongSecret, Namespace: setup.StackNamespace},
		StringData: map[string]string{v1alpha1.KeyPassword: "no store accepts this",
			v1alpha1.KeyAccessKeyID: "nobody", v1alpha1.KeySecretAccessKey: "no store accepts this"}}
	Expect(client.IgnoreAlreadyExists(environment.Cluster.Create(ctx, secret))).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, secret))).To(Succeed())
	},
		NodeTimeout(time.Minute))
	DeferCleanup(restore, NodeTimeout(5*time.Minute))

	deliver(ctx, "before")
	earlier := podsOf(pods(ctx), fault.component)
	Expect(earlier).NotTo(BeEmpty())
	spoilt := stack.DeepCopy()
	fault.spoil(spoilt)
	began := time.Now()
	Expect(environment.Apply(ctx, spoilt)).To(Succeed())
	Eventually(ctx, func(g Gomega) {
		s := &v1alpha1.OpenIMStack{}
		g.Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(stack), s)).To(Succeed())
		g.Expect(s.Status.Processes).To(ContainElement(And(HaveField("Name", fault.component),
			HaveField("Reason", v1alpha1.ReasonStoreUnavailable),
			HaveField("Message", And(ContainSubstring(string(fault.store)), ContainSubstring(string(fault.reason)))))))
	}).WithTimeout(namedWithin).WithPolling(poll).Should(Succeed())
	AddReportEntry("named after", time.Since(began).Round(100*time.Millisecond).String())
	for i := range 3 {
		deliver(ctx, fmt.Sprintf("meanwhile %d", i))
	}
	gateway := gateways(ctx)[0]
	enrol(ctx, gateway, alice) // a new device logs in, with the stores of the earlier pods
	Expect(socket(ctx, gateway, alice).Alive()).To(BeTrue())
	for _, pod := range earlier {
		Expect(pods(ctx)).To(ContainElement(Satisfy(func(p corev1.Pod) bool { return p.UID == pod.UID && truthtable.Ready(&p) })), pod.Name)
	}
	if fault.restart {
		restartEarlier(ctx, fault.component)
		deliver(ctx, "after a restart of an earlier pod")
	}

	Expect(environment.Apply(ctx, stack)).To(Succeed())
	ready(ctx, stack)
	deliver(ctx, "after")
}

// restartEarlier deletes a pod that serves beside one that cannot start, and waits until another of the earlier template serves: it still
// has the way to the earlier store.
func restartEarlier(ctx SpecContext, component string) {
	GinkgoHelper()
	serving := slices.DeleteFunc(podsOf(pods(ctx), component), func(p corev1.Pod) bool { return !truthtable.Ready(&p) })
	Expect(serving).NotTo(BeEmpty(), "an earlier pod serves")
	gone, earlier := serving[0], serving[0].Labels[appsv1.DefaultDeploymentUniqueLabelKey]
	Expect(environment.Cluster.Delete(ctx, &gone)).To(Succeed())
	Eventually(ctx, func(g Gomega) {
		g.Expect(podsOf(pods(ctx), component)).To(ContainElement(Satisfy(func(p corev1.Pod) bool {
			return p.UID != gone.UID && p.CreationTimestamp.After(gone.CreationTimestamp.Time) && truthtable.Ready(&p) &&
				p.Labels[appsv1.DefaultDeploymentUniqueLabelKey] == earlier
		})))
	}).WithTimeout(2 * time.Minute).Should(Succeed())
}
