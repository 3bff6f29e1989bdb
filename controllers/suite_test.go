package controllers_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/prober"
)

// The suite runs against a real API server with a real controller manager (Deployments, ReplicaSets, garbage collection).
// There is no kubelet: tests make pods ready.

var (
	environment *envtest.Environment
	k8s         client.Client
	scheme      = runtime.NewScheme()
)

const (
	soon = 3 * time.Minute
	tick = 50 * time.Millisecond
)

func TestControllers(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("no API server: set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kube-controller-manager, as `make test` does")
	}
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(tick)
	RegisterFailHandler(Fail)
	RunSpecs(t, "The operator on a real API server")
}

var _ = BeforeSuite(func() {
	ctrl.SetLogger(zap.New(zap.WriteTo(GinkgoWriter)))
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	environment = &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		Scheme:                scheme,
	}
	restConfig, err := environment.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(environment.Stop()).To(Succeed()) })
	k8s, err = client.New(restConfig, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	startControllerManager()
})

// startControllerManager runs the controllers of Kubernetes that the operator's children depend on.
func startControllerManager() {
	kubeconfig := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(kubeconfig, environment.KubeConfig, 0o600)).To(Succeed())
	command := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager"),
		"--kubeconfig", kubeconfig, "--leader-elect=false", "--secure-port=0",
		"--controllers=deployment-controller,replicaset-controller,garbage-collector-controller,namespace-controller,serviceaccount-controller")
	command.Stderr = GinkgoWriter
	Expect(command.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
}

// operator is a running operator that counts its writes by namespace. It reconciles every stack of the API server, and retries failures.
type operator struct {
	mutex  sync.Mutex
	writes map[string]int
	stop   func()
	// policies is locked by a spec that delays all writes of NetworkPolicies.
	policies sync.RWMutex
}

// note counts a write.
func (o *operator) note(r *http.Request) {
	_, after, _ := strings.Cut(r.URL.Path, "/namespaces/")
	namespace, _, _ := strings.Cut(after, "/")
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.writes[namespace]++
}

// writesIn counts the writes in a namespace so far.
func (o *operator) writesIn(namespace string) int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.writes[namespace]
}

// waitIdle waits until there is no write in a namespace for the time apart, and returns the number of writes so far. The last events of a
// start may still be on their way, and the operator checks each object once after Kubernetes has defaulted it.
func (o *operator) waitIdle(apart, namespace string) (writes int) {
	GinkgoHelper()
	Eventually(func() bool {
		before := writes
		writes = o.writesIn(namespace)
		return before == writes
	}, soon, apart).Should(BeTrue())
	return writes
}

// startOperator runs the operator in this process until stop is called or the spec ends. It audits, and creates no probe pods.
func startOperator() *operator { return startProbing(prober.Options{}) }

// startProbing runs the operator with a prober.
func startProbing(probing prober.Options) *operator {
	o := &operator{writes: map[string]int{}}
	restConfig := rest.CopyConfig(environment.Config)
	restConfig.QPS, restConfig.Burst = 200, 400
	restConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method != http.MethodGet {
				o.note(r)
				if strings.Contains(r.URL.Path, "/networkpolicies") {
					o.policies.RLock()
					defer o.policies.RUnlock()
				}
			}
			return next.RoundTrip(r)
		})
	})
	skip := true
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme, Cache: controllers.CacheOptions(nil), Metrics: metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &skip},
	})
	Expect(err).NotTo(HaveOccurred())
	loop := prober.New(mgr.GetClient(), mgr.GetAPIReader(), probing)
	Expect(loop.SetupWithManager(mgr)).To(Succeed())
	reconciler := controllers.NewReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(controllers.FieldOwner), loop,
		manifests.Options{WrapperImage: "openimstack/openim-wrapper:test"})
	Expect(reconciler.SetupWithManager(mgr)).To(Succeed())
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(done)
		Expect(mgr.Start(ctx)).To(Succeed())
	}()
	o.stop = func() { cancel(); <-done }
	DeferCleanup(o.stop)
	return o
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
