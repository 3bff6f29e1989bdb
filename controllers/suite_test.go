package controllers_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers"
	"github.com/openimstack/openim-operator/controllers/dependencies"
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
	Expect(gatewayv1.Install(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	environment = &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join("..", "config", "crd", "bases")},
		ErrorIfCRDPathMissing: true,
		Scheme:                scheme,
	}
	// envtest's own range has 254 addresses, and each spec's stack has some twenty Services.
	environment.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.96.0.0/16")
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

// limitRollouts is the number of stacks that operators roll out at a time.
var limitRollouts = controllers.DefaultRollouts

// operator is a running operator that counts its writes by namespace. It reconciles every stack of the API server, and retries failures.
type operator struct {
	mutex  sync.Mutex
	writes map[string]int
	// left is the number of writes that are still allowed, events aside, before the operator is cut off as if it were killed. Negative: no
	// bound.
	left atomic.Int64
	// statusWrites are those of the writes that went to a status.
	statusWrites map[string]int
	stop         func()
	// policies is locked by a spec that delays all writes of NetworkPolicies.
	policies sync.RWMutex
	// lag delays, in nanoseconds, what the operator's watch of Deployments brings.
	lag atomic.Int64
	// secretReads counts the reads of single Secrets.
	secretReads atomic.Int64
	// runReads counts the reads of single ControllerRevisions with their data.
	runReads atomic.Int64
	// refuse answers a write in the API server's place, unless it is nil or returns nil.
	refuse atomic.Pointer[func(*http.Request) *metav1.Status]
}

// refusing lets the API server seem to answer writes as refuse says, until it is called again. nil ends it.
func (o *operator) refusing(refuse func(*http.Request) *metav1.Status) { o.refuse.Store(&refuse) }

// refusal returns the answer to a write that the API server shall not see, else nil.
func (o *operator) refusal(r *http.Request) *http.Response {
	refuse := o.refuse.Load()
	if refuse == nil || *refuse == nil {
		return nil
	}
	status := (*refuse)(r)
	if status == nil {
		return nil
	}
	status.Kind, status.APIVersion, status.Status = "Status", "v1", metav1.StatusFailure
	body, err := json.Marshal(status)
	Expect(err).NotTo(HaveOccurred())
	return &http.Response{
		StatusCode: int(status.Code), Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(body)), Request: r,
	}
}

// note counts a write.
func (o *operator) note(r *http.Request) {
	_, after, _ := strings.Cut(r.URL.Path, "/namespaces/")
	namespace, _, _ := strings.Cut(after, "/")
	o.mutex.Lock()
	defer o.mutex.Unlock()
	o.writes[namespace]++
	if strings.HasSuffix(r.URL.Path, "/status") {
		o.statusWrites[namespace]++
	}
}

// statusWritesIn counts the writes of statuses in a namespace so far.
func (o *operator) statusWritesIn(namespace string) int {
	o.mutex.Lock()
	defer o.mutex.Unlock()
	return o.statusWrites[namespace]
}

// isCutOff reports whether the operator has used up its writes.
func (o *operator) isCutOff(r *http.Request) bool {
	if strings.Contains(r.URL.Path, "/events") {
		return false
	}
	for {
		left := o.left.Load()
		switch {
		case left < 0:
			return false
		case left == 0:
			return true
		case o.left.CompareAndSwap(left, left-1):
			return false
		}
	}
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
func startOperator(prepare ...func(*controllers.Reconciler)) *operator {
	return startProbing(prober.Options{}, prepare...)
}

// startProbing runs the operator with a prober.
func startProbing(probing prober.Options, prepare ...func(*controllers.Reconciler)) *operator {
	return startWith(operatorSetting{probing: probing}, prepare...)
}

// operatorSetting is how an operator is started.
type operatorSetting struct {
	probing prober.Options
	access  dependencies.Access
	// config is the operator's connection to the API server; nil for all rights.
	config *rest.Config
	// wrapper is the image of the wrapper; empty for the usual one.
	wrapper string
	// writes after which the operator is cut off; 0 for never.
	writes int64
}

// startWith runs the operator with a setting.
func startWith(setting operatorSetting, prepare ...func(*controllers.Reconciler)) *operator {
	if setting.config == nil {
		setting.config = environment.Config
	}
	if len(setting.access.Namespaces) > 0 {
		setting.probing.WatchNamespaces = setting.access.Namespaces
	}
	o := &operator{writes: map[string]int{}, statusWrites: map[string]int{}}
	o.left.Store(cmp.Or(setting.writes, -1))
	restConfig := rest.CopyConfig(setting.config)
	restConfig.QPS, restConfig.Burst = 200, 400
	restConfig.Wrap(func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "/secrets/") && r.Method == http.MethodGet {
				o.secretReads.Add(1)
			}
			if strings.Contains(r.URL.Path, "/controllerrevisions/") && r.Method == http.MethodGet {
				o.runReads.Add(1)
			}
			if r.Method != http.MethodGet {
				if o.isCutOff(r) {
					return nil, errors.New("the operator was killed")
				}
				if answer := o.refusal(r); answer != nil {
					return answer, nil
				}
				o.note(r)
				if strings.Contains(r.URL.Path, "/networkpolicies") {
					o.policies.RLock()
					defer o.policies.RUnlock()
				}
			}
			response, err := next.RoundTrip(r)
			if err == nil && r.URL.Query().Get("watch") != "" && strings.Contains(r.URL.Path, "/deployments") {
				response.Body = delayedBody{response.Body, &o.lag}
			}
			return response, err
		})
	})
	skip := true
	mgr, err := ctrl.NewManager(restConfig, ctrl.Options{
		Scheme: scheme, Cache: controllers.CacheOptions(setting.access.Namespaces), Client: controllers.ClientOptions(),
		NewCache:   controllers.NewCache,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &skip},
	})
	Expect(err).NotTo(HaveOccurred())
	loop := prober.New(mgr.GetClient(), mgr.GetAPIReader(), setting.probing)
	Expect(loop.SetupWithManager(mgr)).To(Succeed())
	reconciler := controllers.NewReconciler(mgr.GetClient(), mgr.GetAPIReader(), mgr.GetEventRecorder(controllers.FieldOwner), loop,
		manifests.Options{WrapperImage: cmp.Or(setting.wrapper, "openimstack/openim-wrapper:test"),
			SupervisorImage: "openimstack/openim-supervisor:test"}, setting.access)
	reconciler.LimitRollouts(limitRollouts)
	for _, p := range prepare {
		p(reconciler)
	}
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

// delayedBody is the stream of a watch whose events arrive late.
type delayedBody struct {
	io.ReadCloser
	lag *atomic.Int64
}

func (d delayedBody) Read(p []byte) (int, error) {
	n, err := d.ReadCloser.Read(p)
	<-time.After(time.Duration(d.lag.Load()))
	return n, err
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
