//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8stypes "k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/probe"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

const (
	// namedWithin bounds the time from the start of the first new pod's preflight to the name of the store in the status: 20 s, of which it
	// tries for 15 s what does not answer, and 10 s for a machine that runs the whole suite.
	namedWithin = 30 * time.Second
	// reasonWithin bounds the time to the right reason. On a loaded machine the first attempts of the preflight come before the network
	// lets the new pod out, and say Unreachable; the kubelet waits 10, 20, 40 and 80 s before the next.
	reasonWithin = 3 * time.Minute
	// apiServerHost is the address of the API server's Service. At ports other than 443 nothing answers.
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
	// inside, if not nil, is called meanwhile.
	inside func(ctx SpecContext, earlier []corev1.Pod)
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
			dependencies(func(d *v1alpha1.Dependencies) { d.Redis.CredentialsRef = &v1alpha1.LocalReference{Name: wrongSecret} }), false, nil},
			SpecTimeout(10*time.Minute)),
		Entry("Kafka at the API server", storeFault{"rpc-msg", termination.Kafka, termination.TLSRequired,
			dependencies(func(d *v1alpha1.Dependencies) { d.Kafka.Brokers = []v1alpha1.Address{apiServer()} }), false, nil},
			SpecTimeout(10*time.Minute)),
		Entry("MongoDB where nothing listens", storeFault{"rpc-user", termination.MongoDB, termination.Unreachable,
			dependencies(func(d *v1alpha1.Dependencies) { d.MongoDB.Addresses = []v1alpha1.Address{at("27017")} }), true, isolatedMeanwhile},
			SpecTimeout(10*time.Minute)),
		Entry("a wrong password of the wrapper's Redis", storeFault{"backend", termination.WrapperRedis, termination.AuthenticationFailed,
			func(s *v1alpha1.OpenIMStack) {
				s.Spec.Wrapper.Redis.CredentialsRef = &v1alpha1.LocalReference{Name: wrongSecret}
			}, false, nil},
			SpecTimeout(10*time.Minute)),
		Entry("the wrapper's Redis where nothing listens", storeFault{"backend", termination.WrapperRedis, termination.Unreachable,
			func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Redis.Addresses = []v1alpha1.Address{at("6379")} }, true, nil},
			Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("Redis where nothing listens", storeFault{"rpc-user", termination.Redis, termination.Unreachable,
			dependencies(func(d *v1alpha1.Dependencies) { d.Redis.Addresses = []v1alpha1.Address{at("6379")} }), true, nil},
			Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("the wrapper's MongoDB where nothing listens", storeFault{"backend", termination.MongoDB, termination.Unreachable,
			func(s *v1alpha1.OpenIMStack) {
				s.Spec.Wrapper.MongoDB = s.Spec.Dependencies.MongoDB.DeepCopy()
				s.Spec.Wrapper.MongoDB.Addresses = []v1alpha1.Address{at("27017")}
			}, true, nil}, Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("Kafka where nothing listens", storeFault{"rpc-msg", termination.Kafka, termination.Unreachable,
			dependencies(func(d *v1alpha1.Dependencies) { d.Kafka.Brokers = []v1alpha1.Address{at("9092")} }), true, nil},
			Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("etcd where nothing listens", storeFault{"rpc-user", termination.Etcd, termination.Unreachable,
			dependencies(func(d *v1alpha1.Dependencies) { d.Etcd.Endpoints = []v1alpha1.Address{at("2379")} }), true, nil},
			Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("etcd at the API server", storeFault{"rpc-user", termination.Etcd, termination.TLSRequired,
			dependencies(func(d *v1alpha1.Dependencies) { d.Etcd.Endpoints = []v1alpha1.Address{apiServer()} }), true, nil},
			Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("a wrong key of the object store", storeFault{"rpc-third", termination.ObjectStorage, termination.AuthenticationFailed,
			dependencies(func(d *v1alpha1.Dependencies) {
				d.ObjectStorage.MinIO.CredentialsRef = v1alpha1.LocalReference{Name: wrongSecret}
			}), false, nil}, Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("object storage with the certificate of another authority", storeFault{"rpc-third", termination.ObjectStorage,
			termination.CertificateNotTrusted,
			dependencies(func(d *v1alpha1.Dependencies) { d.ObjectStorage.MinIO.TLS = &v1alpha1.ServerTLS{} }), true, nil},
			Label(outagesLabel), SpecTimeout(10*time.Minute)),
		Entry("object storage where nothing listens", storeFault{"rpc-third", termination.ObjectStorage, termination.Unreachable,
			dependencies(func(d *v1alpha1.Dependencies) {
				d.ObjectStorage = &v1alpha1.ObjectStorage{MinIO: &v1alpha1.MinIO{InternalAddress: at("9000"),
					ExternalAddress: "https://files.example.com", CredentialsRef: v1alpha1.LocalReference{Name: wrongSecret}}}
			}), true, nil}, Label(outagesLabel), SpecTimeout(10*time.Minute)),
	)
}

// apiServer returns the address at which the API server itself answers, with TLS. The address of its Service would not do: policies are
// applied after that was translated, so that a pod reaches it only in the moment before the network knows the pod.
func apiServer() v1alpha1.Address {
	GinkgoHelper()
	var list discoveryv1.EndpointSliceList
	Expect(environment.Cluster.List(context.Background(), &list, client.InNamespace(metav1.NamespaceDefault),
		client.MatchingLabels{discoveryv1.LabelServiceName: "kubernetes"})).To(Succeed())
	Expect(list.Items).NotTo(BeEmpty())
	slice := list.Items[0]
	return v1alpha1.Address(net.JoinHostPort(slice.Endpoints[0].Addresses[0], strconv.Itoa(int(*slice.Ports[0].Port))))
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
	tried := triesStores(ctx, fault.component, earlier)
	Eventually(ctx, func() []v1alpha1.ProcessStatus { return observed(ctx).Status.Processes }).
		WithTimeout(max(time.Second, namedWithin-time.Since(tried))).Should(ContainElement(blaming(fault, "")))
	AddReportEntry("named", fmt.Sprintf("%s after the change, %s after the first attempt began",
		time.Since(began).Round(100*time.Millisecond), time.Since(tried).Round(100*time.Millisecond)))
	Eventually(ctx, func() []v1alpha1.ProcessStatus { return observed(ctx).Status.Processes }).
		WithTimeout(reasonWithin).Should(ContainElement(blaming(fault, string(fault.reason))))
	for i := range 3 {
		deliver(ctx, fmt.Sprintf("meanwhile %d", i))
	}
	gateway := gateways(ctx)[0]
	enrol(ctx, gateway, alice) // a new device logs in, with the stores of the earlier pods
	Expect(socket(ctx, gateway, alice).Alive()).To(BeTrue())
	for _, pod := range earlier {
		Expect(pods(ctx)).To(ContainElement(Satisfy(func(p corev1.Pod) bool { return p.UID == pod.UID && truthtable.Ready(&p) })), pod.Name)
	}
	if fault.inside != nil {
		fault.inside(ctx, earlier)
	}
	if fault.restart {
		restartEarlier(ctx, fault.component)
		deliver(ctx, "after a restart of an earlier pod")
	}

	Expect(environment.Apply(ctx, stack)).To(Succeed())
	ready(ctx, stack)
	deliver(ctx, "after")
}

// blaming matches the status of the component of a fault that names the store and the reason.
func blaming(fault storeFault, reason string) types.GomegaMatcher {
	return And(HaveField("Name", fault.component), HaveField("Reason", v1alpha1.ReasonStoreUnavailable),
		HaveField("Message", And(ContainSubstring(string(fault.store)), ContainSubstring(reason))))
}

// triesStores waits until a new pod of a component tries its stores, and returns the time, of which Kubernetes keeps whole seconds: its
// preflight was started, or the program itself for gateway and backend.
func triesStores(ctx SpecContext, component string, earlier []corev1.Pod) (since time.Time) {
	GinkgoHelper()
	Eventually(ctx, func(g Gomega) {
		for _, pod := range podsOf(pods(ctx), component) {
			if slices.ContainsFunc(earlier, func(p corev1.Pod) bool { return p.UID == pod.UID }) {
				continue
			}
			for _, c := range append(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses...) {
				for _, state := range []corev1.ContainerState{c.LastTerminationState, c.State} {
					switch {
					case state.Terminated != nil:
						since = state.Terminated.StartedAt.Time
					case state.Running != nil:
						since = state.Running.StartedAt.Time
					default:
						continue
					}
					return
				}
			}
		}
		g.Expect(since).NotTo(BeZero(), "no new pod of "+component+" has started")
	}).WithTimeout(2 * time.Minute).Should(Succeed())
	return since
}

// isolatedMeanwhile tries, while a new pod does not find MongoDB, every connection of the truth table, and what an earlier pod may reach:
// the store that it uses and the address that the spec names now, and nothing else at these ports.
func isolatedMeanwhile(ctx SpecContext, earlier []corev1.Pod) {
	Expect(observe(ctx, setup.TruthTable(stack)).Faults()).To(BeEmpty())
	i := slices.IndexFunc(earlier, func(p corev1.Pod) bool { return p.DeletionTimestamp == nil })
	prober, err := environment.Cluster.InjectProber(ctx, &earlier[i], environment.Images[setup.OperatorImage])
	Expect(err).NotTo(HaveOccurred())
	mongoDB := string(stack.Spec.Dependencies.MongoDB.Addresses[0])
	results, err := environment.Cluster.Probe(ctx, prober, 2*time.Second, mongoDB, net.JoinHostPort(apiServerHost, "443"))
	Expect(err).NotTo(HaveOccurred())
	Expect(results[0].Result).To(Equal(probe.Open), "the store of the earlier pods: %s", results[0].Detail)
	Expect(results[1].Result).NotTo(Equal(probe.Open), "another port of the new address")
	for _, name := range []string{setup.Intruder, setup.Outsider} {
		namespace := map[string]string{setup.Intruder: stack.Namespace, setup.Outsider: setup.IntruderNamespace}[name]
		from, err := environment.EnsureIntruder(ctx, k8stypes.NamespacedName{Namespace: namespace, Name: name}, nil)
		Expect(err).NotTo(HaveOccurred())
		port := net.JoinHostPort(earlier[i].Status.PodIP, "10320")
		results, err := environment.Cluster.Probe(ctx, from, 2*time.Second, port)
		Expect(err).NotTo(HaveOccurred())
		Expect(results[0].Result).NotTo(Equal(probe.Open), "%s reaches an earlier pod", name)
	}
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
