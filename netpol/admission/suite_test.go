package admission_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/admission"
)

// The suite runs against a real API server with the admission policies of config/admission, and a real controller manager whose
// controllers have their own accounts, as in a cluster. Only the set-up is cluster root. The user mallory has every right, so a request
// of mallory is refused by an admission policy and by nothing else.

var (
	environment *envtest.Environment
	root        client.Client
	scheme      = runtime.NewScheme()
	auditLog    string
)

const (
	soon  = 60 * time.Second
	tick  = 50 * time.Millisecond
	stack = "chat"
	// modeLabel of a namespace selects the bindings that apply to it.
	modeLabel = "guards"
)

func TestAdmissionPolicies(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("no API server: set KUBEBUILDER_ASSETS to a folder with kube-apiserver, etcd and kube-controller-manager, as `make test` does")
	}
	SetDefaultEventuallyTimeout(soon)
	SetDefaultEventuallyPollingInterval(tick)
	RegisterFailHandler(Fail)
	RunSpecs(t, "The admission policies on a real API server")
}

var _ = BeforeSuite(func() {
	ctrl.SetLogger(GinkgoLogr)
	Expect(clientgoscheme.AddToScheme(scheme)).To(Succeed())
	Expect(v1alpha1.AddToScheme(scheme)).To(Succeed())
	Expect(gatewayv1.Install(scheme)).To(Succeed())
	config := filepath.Join("..", "..", "config")
	environment = &envtest.Environment{
		CRDDirectoryPaths:     []string{filepath.Join(config, "crd", "bases"), filepath.Join("testdata", "crds")},
		ErrorIfCRDPathMissing: true,
		Scheme:                scheme,
	}
	auditLog = filepath.Join(GinkgoT().TempDir(), "audit.log")
	environment.ControlPlane.GetAPIServer().Configure().
		Append("audit-policy-file", filepath.Join("testdata", "audit-policy.yaml")).Append("audit-log-path", auditLog)
	restConfig, err := environment.Start()
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(environment.Stop()).To(Succeed()) })
	root, err = client.New(restConfig, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())

	for _, file := range []string{"service_account.yaml", "role.yaml", "role_binding.yaml"} {
		for _, object := range readYAML(filepath.Join(config, "rbac", file)) {
			if object.GetKind() != "ServiceAccount" {
				Expect(root.Create(context.Background(), object)).To(Succeed())
			}
		}
	}
	rights(context.Background(), mallory)
	installPolicies(filepath.Join(config, "admission"))
	startControllerManager()
	waitForPolicies()
})

// installPolicies applies the policies as they are, and each binding once for either mode, to be chosen by a namespace's label.
func installPolicies(dir string) {
	var refused []string
	for _, g := range admission.Policies(admission.Audit) {
		for _, object := range readYAML(filepath.Join(dir, g.Name+".yaml")) {
			if object.GetKind() == "ValidatingAdmissionPolicy" {
				if err := root.Create(context.Background(), object); err != nil {
					refused = append(refused, err.Error())
				}
				continue
			}
			for _, mode := range []admission.Mode{admission.Audit, admission.Enforce} {
				var binding admissionv1.ValidatingAdmissionPolicyBinding
				Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &binding)).To(Succeed())
				binding.Name += "-" + strings.ToLower(string(mode))
				binding.Spec.ValidationActions = mode.Actions()
				binding.Spec.MatchResources = &admissionv1.MatchResources{
					NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{modeLabel: string(mode)}},
				}
				Expect(root.Create(context.Background(), &binding)).To(Succeed())
			}
		}
	}
	Expect(refused).To(BeEmpty(), "the API server compiles each admission policy: %s", strings.Join(refused, "\n"))
}

// startControllerManager runs the controllers that make pods, slices and an end of things.
func startControllerManager() {
	kubeconfig := filepath.Join(GinkgoT().TempDir(), "kubeconfig")
	Expect(os.WriteFile(kubeconfig, environment.KubeConfig, 0o600)).To(Succeed())
	command := exec.Command(filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kube-controller-manager"),
		"--kubeconfig", kubeconfig, "--leader-elect=false", "--secure-port=0", "--use-service-account-credentials",
		"--controllers=deployment-controller,replicaset-controller,statefulset-controller,garbage-collector-controller,namespace-controller,"+
			"serviceaccount-controller,endpoints-controller,endpointslice-controller,validatingadmissionpolicy-status-controller")
	command.Stderr = GinkgoWriter
	Expect(command.Start()).To(Succeed())
	DeferCleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
}

// waitForPolicies tries, without writing, until every breach is refused: the API server takes a moment to compile the admission policies.
func waitForPolicies() {
	ns := namespace(admission.Enforce)
	addStack(ns, stack)
	for _, b := range breaches {
		Eventually(func() error {
			return as(mallory).Create(context.Background(), b.object(ns), client.DryRunAll)
		}).Should(MatchError(ContainSubstring(policyName(b.policy))), "%s: %s", b.policy, b.name)
	}
}

func policyName(short string) string { return "openim-operator-guard-" + short }

// Users of the suite.
const (
	mallory     = "mallory"
	operator    = admission.Operator
	deployments = "system:serviceaccount:kube-system:deployment-controller"
	replicaSets = "system:serviceaccount:kube-system:replicaset-controller"
)

// user is a client with a user name. It keeps the warnings that it receives.
type user struct {
	client.Client
	*warnings
}

type warnings struct {
	mutex sync.Mutex
	all   []string
}

// HandleWarningHeaderWithContext is called by client-go.
func (w *warnings) HandleWarningHeaderWithContext(_ context.Context, _ int, _, text string) {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	w.all = append(w.all, text)
}

// heard returns what was warned of since the last time.
func (w *warnings) heard() []string {
	w.mutex.Lock()
	defer w.mutex.Unlock()
	all := w.all
	w.all = nil
	return all
}

func as(name string, groups ...string) user {
	config := rest.CopyConfig(environment.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: name, Groups: append(groups, "system:authenticated")}
	w := &warnings{}
	config.WarningHandlerWithContext = w
	c, err := client.New(config, client.Options{Scheme: scheme})
	Expect(err).NotTo(HaveOccurred())
	return user{Client: c, warnings: w}
}

func namespace(mode admission.Mode) string {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "im-", Labels: map[string]string{modeLabel: string(mode)}}}
	Expect(root.Create(context.Background(), ns)).To(Succeed())
	return ns.Name
}

// addStack creates a stack, and waits until the admission policies apply to it.
func addStack(ns, name string) *v1alpha1.OpenIMStack {
	objects := readYAML(filepath.Join("..", "..", "config", "samples", "openimstack_v1alpha1_minimal.yaml"))
	var made v1alpha1.OpenIMStack
	Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(objects[0].Object, &made)).To(Succeed())
	made.Namespace, made.Name = ns, name
	Expect(root.Create(context.Background(), &made)).To(Succeed())
	known(ns, name)
	return &made
}

// known waits until the admission policies apply to a stack. The canary object is never written (dry run).
func known(ns, name string) {
	canary := object(ns, `{apiVersion: v1, kind: Pod, metadata: {name: canary, labels: {app.kubernetes.io/part-of: openimstack}}, spec: {containers: [{name: x, image: x}]}}`)
	canary.SetLabels(map[string]string{v1alpha1.LabelInstance: name, v1alpha1.LabelPartOf: v1alpha1.PartOf})
	Eventually(func() string {
		m := as(mallory)
		err := m.Create(context.Background(), canary.DeepCopyObject().(*unstructured.Unstructured), client.DryRunAll)
		said := strings.Join(m.heard(), "\n")
		if err != nil {
			said += err.Error()
		}
		return said
	}).Should(ContainSubstring(`OpenIMStack "` + name + `"`))
}
