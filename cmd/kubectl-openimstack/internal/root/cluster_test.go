package root_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/root"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// live is a real API server that holds the stack of testdata/deploy, as the operator and the cluster's controllers would have created it.
// No pod runs: the audit judges objects alone.
type live struct {
	environment *envtest.Environment
	admin       client.Client
	// kubeconfigs by user.
	kubeconfigs map[string]string
}

// Users of the API server.
const (
	administrator = "admin"
	// auditor has the auditor's role in the whole cluster.
	auditor = "auditor"
	// confined has the same rights in the stack's namespace alone.
	confined = "confined"
	// unprivileged has no rights.
	unprivileged = "unprivileged"
)

func TestOnARealAPIServer(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("no API server: set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd, as `make test` does")
	}
	l := startAPIServer(t)
	l.makeStack(t)
	t.Run("the auditor's role is enough", l.theRoleIsEnough)
	t.Run("an open port is found and explained", l.anOpenPort)
	t.Run("a route is read in the version that is served", l.aRoute)
	t.Run("a change is named field by field", l.aChange)
	t.Run("kinds that may not be read are named", l.confinement)
	t.Run("a user without rights gets the reason", l.noRights)
	t.Run("stacks that do not exist", l.noStack)
	t.Run("status", l.status)
	t.Run("settings", l.settings)
	t.Run("probe", l.probe)
}

func startAPIServer(t *testing.T) *live {
	t.Helper()
	g := NewWithT(t)
	repository := filepath.Join("..", "..", "..", "..")
	l := &live{kubeconfigs: map[string]string{}, environment: &envtest.Environment{
		CRDDirectoryPaths: []string{
			filepath.Join(repository, "config", "crd", "bases"), filepath.Join(repository, "netpol", "admission", "testdata", "crds"),
		},
		ErrorIfCRDPathMissing: true,
		Scheme:                load.Scheme(),
	}}
	config, err := l.environment.Start()
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { g.Expect(l.environment.Stop()).To(Succeed()) })
	l.admin, err = client.New(config, client.Options{Scheme: load.Scheme()})
	g.Expect(err).NotTo(HaveOccurred())
	l.kubeconfigs[administrator] = kubeconfig(t, l.environment.KubeConfig)
	for _, name := range []string{auditor, confined, unprivileged} {
		user, err := l.environment.AddUser(envtest.User{Name: name}, nil)
		g.Expect(err).NotTo(HaveOccurred())
		content, err := user.KubeConfig()
		g.Expect(err).NotTo(HaveOccurred())
		l.kubeconfigs[name] = kubeconfig(t, content)
	}
	return l
}

func kubeconfig(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	plugintest.Write(t, path, string(content))
	return path
}

// makeStack creates what testdata/deploy holds, the children as the plugin renders them, and a pod of each workload.
func (l *live) makeStack(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	ctx := t.Context()
	for _, name := range []string{"im", "infra", "monitoring"} {
		g.Expect(l.admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})).To(Succeed())
	}
	for _, file := range []string{"stack.yaml", "stores.yaml"} {
		content, err := os.ReadFile(plugintest.Path("deploy", file))
		g.Expect(err).NotTo(HaveOccurred())
		for _, u := range plugintest.Objects(t, string(content)) {
			g.Expect(l.admin.Create(ctx, &u)).To(Succeed())
		}
	}
	code, out, errs := invoke(t, "render", "--from-files", plugintest.Path("deploy"))
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	for _, u := range plugintest.Objects(t, out) {
		g.Expect(l.admin.Create(ctx, &u)).To(Succeed())
	}
	files := &load.Flags{Connection: load.ConnectionFlags(), FromFiles: plugintest.Path("deploy")}
	subject, err := load.Read(ctx, files, nil, io.Discard)
	g.Expect(err).NotTo(HaveOccurred())
	for i, pod := range subject.Snapshot.Pods {
		l.run(t, pod, i+10)
	}
	// The cluster makes one for each Service. The port of etcd has a name, whose number is nowhere else.
	g.Expect(l.admin.Create(ctx, &discoveryv1.EndpointSlice{
		ObjectMeta:  metav1.ObjectMeta{Namespace: "infra", Name: "etcd-x", Labels: map[string]string{discoveryv1.LabelServiceName: "etcd"}},
		AddressType: discoveryv1.AddressTypeIPv4, Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"10.1.0.99"}}},
		Ports: []discoveryv1.EndpointPort{{Name: ptr.To(""), Port: ptr.To(int32(2379)), Protocol: ptr.To(corev1.ProtocolTCP)}},
	})).To(Succeed())
	l.bind(t)
}

// run replaces the controllers and the kubelet: the pod belongs to a ReplicaSet, and has an address.
func (l *live) run(t *testing.T, pod corev1.Pod, host int) {
	t.Helper()
	g := NewWithT(t)
	const hash = "5d9f7c6b8"
	if owner := pod.OwnerReferences[0]; owner.Kind == "Deployment" {
		pod.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: "apps/v1", Kind: "ReplicaSet", Name: owner.Name + "-" + hash, UID: "1", Controller: ptr.To(true),
		}}
		pod.Labels["pod-template-hash"] = hash
		pod.Name += "-" + hash + "-x"
	} else {
		pod.OwnerReferences = nil
	}
	for i := range pod.Spec.Containers {
		pod.Spec.Containers[i].Image = "example.com/none"
		pod.Spec.Containers[i].SecurityContext = nil
	}
	pod.Spec.ServiceAccountName, pod.Spec.AutomountServiceAccountToken = "", ptr.To(false)
	pod.Status = corev1.PodStatus{}
	// The admission of ServiceAccounts is off in this API server: no account is needed.
	g.Expect(l.admin.Create(t.Context(), &pod)).To(Succeed())
	pod.Status.Phase = corev1.PodRunning
	pod.Status.PodIP = fmt.Sprintf("10.1.0.%d", host)
	pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
	g.Expect(l.admin.Status().Update(t.Context(), &pod)).To(Succeed())
}

// bind gives the users their rights, by the role that is shipped.
func (l *live) bind(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	content, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "config", "rbac", "openimstack_auditor_role.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var role rbacv1.ClusterRole
	g.Expect(yaml.UnmarshalStrict(content, &role)).To(Succeed())
	g.Expect(l.admin.Create(t.Context(), &role)).To(Succeed())
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role.Name}
	g.Expect(l.admin.Create(t.Context(), &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: auditor}, RoleRef: ref, Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: auditor}},
	})).To(Succeed())
	g.Expect(l.admin.Create(t.Context(), &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: confined, Namespace: "im"}, RoleRef: ref,
		Subjects: []rbacv1.Subject{{Kind: rbacv1.UserKind, Name: confined}},
	})).To(Succeed())
}

// as runs a command line as a user, in the stack's namespace unless it says otherwise.
func (l *live) as(t *testing.T, user string, args ...string) (code int, out, errs string) {
	t.Helper()
	args = append(args, "--kubeconfig", l.kubeconfigs[user])
	if !slices.Contains(args, "-n") {
		args = append(args, "-n", "im")
	}
	return invoke(t, args...)
}

// with creates an object for the time of a test.
func (l *live) with(t *testing.T, object client.Object) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(l.admin.Create(t.Context(), object)).To(Succeed())
	t.Cleanup(func() { g.Expect(l.admin.Delete(context.Background(), object)).To(Succeed()) })
}

// debugPolicy opens the WebSocket to all sources, as a user may do while debugging.
func debugPolicy() *networkingv1.NetworkPolicy {
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "debug", Namespace: "im"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelComponent: "msggateway"}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{}},
		},
	}
}

func (l *live) theRoleIsEnough(t *testing.T) {
	g := NewWithT(t)
	code, out, errs := l.as(t, auditor, "audit", "-o", "json")
	g.Expect(code).To(Equal(cli.ExitSealed), out+errs)
	r := plugintest.Reports(t, out)[0]
	g.Expect(r.Unread).To(BeEmpty())
	g.Expect(r.Verdict).To(Equal(audit.VerdictSealed))
	g.Expect(r.Counts.Pods).To(Equal(14))
	g.Expect(r.Time).To(BeTemporally("~", time.Now(), time.Minute))
	g.Expect(r.Source.Kind).To(Equal(snapshot.Cluster))

	for _, line := range []string{
		"audit -A", "diff", "diff chat", "explain backend api http", "explain intruder api http", "explain monitoring/none api 1",
	} {
		code, out, errs := l.as(t, auditor, strings.Fields(line)...)
		wants := cli.ExitSealed
		if strings.Contains(line, "none") {
			wants = cli.ExitUnknown
		}
		g.Expect(code).To(Equal(wants), line+"\n"+out+errs)
	}
	code, out, errs = l.as(t, auditor, "render", "chat")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(plugintest.Objects(t, out)[0].GetOwnerReferences()).To(HaveLen(1), "in a cluster the owner is known")

	// The auditor really has no right to read Secrets or to write.
	user, err := l.environment.AddUser(envtest.User{Name: auditor}, nil)
	g.Expect(err).NotTo(HaveOccurred())
	theirs, err := client.New(user.Config(), client.Options{Scheme: load.Scheme()})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(apierrors.IsForbidden(theirs.Get(t.Context(), client.ObjectKey{Namespace: "im", Name: "redis"}, &corev1.Secret{}))).To(BeTrue())
	g.Expect(apierrors.IsForbidden(theirs.Create(t.Context(), debugPolicy()))).To(BeTrue())
}

func (l *live) anOpenPort(t *testing.T) {
	g := NewWithT(t)
	l.with(t, debugPolicy())
	code, out, _ := l.as(t, auditor, "audit", "-o", "json")
	g.Expect(code).To(Equal(cli.ExitFindings))
	f := plugintest.Reports(t, out)[0].Findings
	g.Expect(f).To(HaveLen(1))
	g.Expect(f[0].Kind).To(Equal(audit.ForeignPolicyWidens))
	g.Expect(f[0].Object.Name).To(Equal("debug"))

	code, out, _ = l.as(t, auditor, "explain", "outside-ipv4", "msggateway", "websocket")
	g.Expect(code).To(Equal(cli.ExitFindings))
	g.Expect(out).To(ContainSubstring("delete NetworkPolicy im/debug, or narrow its ingress rule 0"))
	code, out, _ = l.as(t, auditor, "diff")
	g.Expect(code).To(Equal(cli.ExitFindings))
	g.Expect(out).To(ContainSubstring("open, should be closed:"))
	g.Expect(out).To(ContainSubstring("intruder -> msggateway:10001/TCP"))
	g.Expect(out).NotTo(ContainSubstring("changed"), "the stack's own objects are as they were")
	code, _, _ = l.as(t, confined, "audit")
	g.Expect(code).To(Equal(cli.ExitFindings), "a finding counts although not everything may be read")
}

func (l *live) aRoute(t *testing.T) {
	g := NewWithT(t)
	route := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
		"metadata": map[string]any{"name": "im", "namespace": "im"},
		"spec": map[string]any{
			"parentRefs": []any{map[string]any{"name": "edge"}},
			"rules":      []any{map[string]any{"backendRefs": []any{map[string]any{"name": "chat-api", "port": int64(10002)}}}},
		},
	}}
	l.with(t, route)
	code, out, _ := l.as(t, auditor, "audit", "-o", "json")
	g.Expect(code).To(Equal(cli.ExitFindings))
	f := plugintest.Reports(t, out)[0].Findings
	g.Expect(f).To(HaveLen(1))
	g.Expect(f[0].Kind).To(Equal(audit.RouteExposes))
}

func (l *live) aChange(t *testing.T) {
	g := NewWithT(t)
	key := client.ObjectKey{Namespace: "im", Name: "chat-api"}
	var service corev1.Service
	g.Expect(l.admin.Get(t.Context(), key, &service)).To(Succeed())
	before := service.DeepCopy()
	service.Labels[v1alpha1.LabelPartOf] = "mine"
	service.Spec.Selector["extra"] = "yes"
	g.Expect(l.admin.Patch(t.Context(), &service, client.MergeFrom(before))).To(Succeed())
	policy := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-push-ingress"}}
	g.Expect(l.admin.Get(t.Context(), client.ObjectKeyFromObject(policy), policy)).To(Succeed())
	g.Expect(l.admin.Delete(t.Context(), policy.DeepCopy())).To(Succeed())
	t.Cleanup(func() {
		restored := service.DeepCopy()
		restored.Labels, restored.Spec.Selector = before.Labels, before.Spec.Selector
		g.Expect(l.admin.Update(context.Background(), restored)).To(Succeed())
		policy.ResourceVersion, policy.UID = "", ""
		g.Expect(l.admin.Create(context.Background(), policy)).To(Succeed())
	})
	code, out, _ := l.as(t, auditor, "diff")
	g.Expect(code).To(Equal(cli.ExitFindings))
	g.Expect(out).To(ContainSubstring("missing:\n  NetworkPolicy im/chat-push-ingress\n"))
	g.Expect(out).To(ContainSubstring(`Service im/chat-api label app.kubernetes.io/part-of: "mine", "openimstack"`))
	g.Expect(out).To(ContainSubstring("closed, should be open:\n  msggateway -> push:10170/TCP"))
}

// A user who may read the stack's namespace alone gets no verdict: labels of namespaces, and sources in other namespaces, decide too.
func (l *live) confinement(t *testing.T) {
	g := NewWithT(t)
	code, out, errs := l.as(t, confined, "audit", "-o", "json")
	g.Expect(code).To(Equal(cli.ExitUnknown), errs)
	r := plugintest.Reports(t, out)[0]
	g.Expect(r.Verdict).To(Equal(audit.VerdictCouldNotTell))
	g.Expect(r.Counts.Policies).To(Equal(28), "the audit covers what may be read")
	var unread []string
	for _, u := range r.Unread {
		unread = append(unread, u.Kind+": "+u.Reason)
	}
	g.Expect(unread).To(ContainElement(
		`Namespace: listing namespaces in all namespaces is forbidden: bind a role with the verb list for ` +
			`"namespaces" of API group "", such as the ClusterRole openim-operator-openimstack-auditor`))
	g.Expect(unread).To(ContainElement(ContainSubstring("Pod: listing pods in ")))
	code, out, _ = l.as(t, confined, "audit")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(out).To(ContainSubstring("openimstack-auditor"))
	code, _, _ = l.as(t, confined, "diff")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	code, out, _ = l.as(t, confined, "explain", "intruder", "api", "http")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(out).To(ContainSubstring("not everything that decides could be read"))
}

func (l *live) noRights(t *testing.T) {
	g := NewWithT(t)
	for _, line := range []string{"audit", "audit -A", "diff", "status", "settings", "explain api backend 1", "probe chat"} {
		code, out, errs := l.as(t, unprivileged, strings.Fields(line)...)
		g.Expect(code).To(Equal(cli.ExitUnknown), line)
		g.Expect(out).To(BeEmpty(), line)
		g.Expect(errs).To(And(ContainSubstring("forbidden"), ContainSubstring("openimstacks")), line)
	}
}

func (l *live) noStack(t *testing.T) {
	g := NewWithT(t)
	code, _, errs := l.as(t, auditor, "audit", "talk")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring(`there is no OpenIMStack "talk" in namespace im`))
	code, _, errs = l.as(t, auditor, "audit", "-n", "infra")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring("there is no OpenIMStack in namespace infra"))
	code, _, errs = l.as(t, auditor, "audit", "chat", "-A")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring("leave one of the two out"))
	code, _, errs = l.as(t, auditor, "status", "-n", "infra")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring("there is no OpenIMStack in namespace infra"))
}

// observe replaces the operator: it writes the status.
func (l *live) observe(t *testing.T, change func(*v1alpha1.OpenIMStack)) {
	t.Helper()
	g := NewWithT(t)
	var stack v1alpha1.OpenIMStack
	g.Expect(l.admin.Get(t.Context(), client.ObjectKey{Namespace: "im", Name: "chat"}, &stack)).To(Succeed())
	before := stack.DeepCopy()
	change(&stack)
	g.Expect(l.admin.Status().Patch(t.Context(), &stack, client.MergeFrom(before))).To(Succeed())
}

func (l *live) status(t *testing.T) {
	g := NewWithT(t)
	code, out, _ := l.as(t, auditor, "status")
	g.Expect(code).To(Equal(cli.ExitUnknown), "the operator has reported nothing yet")
	g.Expect(out).To(ContainSubstring("not reported yet"))
	l.observe(t, func(stack *v1alpha1.OpenIMStack) {
		seen := plugintest.Observed(t)
		stack.Status = seen.Status
		stack.Status.ObservedGeneration = stack.Generation
		for i := range stack.Status.Conditions {
			stack.Status.Conditions[i].ObservedGeneration = stack.Generation
		}
	})
	for _, line := range []string{"status", "status chat", "status -A"} {
		code, out, errs := l.as(t, auditor, strings.Fields(line)...)
		g.Expect(code).To(Equal(cli.ExitFindings), errs)
		g.Expect(out).To(ContainSubstring("High ForeignPolicyWidens: NetworkPolicy/im/debug"))
	}
}

// settings reports what the operator wrote, and what the release refuses of the spec; the right to read OpenIMStacks is enough.
func (l *live) settings(t *testing.T) {
	g := NewWithT(t)
	change := func(settings *v1alpha1.Settings) {
		var stack v1alpha1.OpenIMStack
		g.Expect(l.admin.Get(t.Context(), client.ObjectKey{Namespace: "im", Name: "chat"}, &stack)).To(Succeed())
		stack.Spec.Settings = settings
		g.Expect(l.admin.Update(t.Context(), &stack)).To(Succeed())
	}
	code, out, errs := l.as(t, auditor, "settings", "chat")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(out).To(And(HavePrefix("im/chat: Accepted\n"), MatchRegexp(`\nsettings\.log\.level +Error\n`)))

	change(&v1alpha1.Settings{MaxRPCMessageBytes: ptr.To[int32](1 << 20)})
	for _, line := range []string{"settings", "settings -A -o json", "settings chat --file log.yml"} {
		code, out, errs = l.as(t, auditor, strings.Fields(line)...)
		g.Expect(code).To(Equal(cli.ExitFindings), errs)
		g.Expect(out).To(And(ContainSubstring("OpenIM v3.8.3 has no such setting: use v3.8.3-patch.5 or later, or remove it"),
			ContainSubstring("is not applied yet; these are of generation")), line)
	}
	code, _, errs = l.as(t, auditor, "settings", "chat", "--release", "v3.8.3-patch.5")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	change(nil)
	code, out, errs = l.as(t, confined, "settings", "chat")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(out).To(HavePrefix("im/chat: Accepted\n"))
}

func (l *live) probe(t *testing.T) {
	g := NewWithT(t)
	code, _, errs := l.as(t, auditor, "probe", "chat")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(And(ContainSubstring("forbidden"), ContainSubstring("patch")), "an auditor writes nothing")

	code, _, errs = l.as(t, administrator, "probe", "chat", "--timeout", "1500ms")
	g.Expect(code).To(Equal(cli.ExitUnknown), "no operator answers")
	g.Expect(errs).To(ContainSubstring("no result within 1.5s"))

	for outcome, wants := range map[string]int{v1alpha1.ReasonEnforced: cli.ExitSealed, v1alpha1.ReasonBreached: cli.ExitFindings} {
		answered := l.answerProbe(t, outcome)
		code, out, errs := l.as(t, administrator, "probe", "chat", "--timeout", "30s")
		g.Expect(<-answered).To(Succeed())
		g.Expect(code).To(Equal(wants), out+errs)
		g.Expect(out).To(ContainSubstring(outcome + ". 58 connections"))
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	streams, _, stderr := plugintest.Streams()
	code = root.Run(ctx, streams, []string{"probe", "chat", "-n", "im", "--kubeconfig", l.kubeconfigs[administrator]})
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(stderr.String()).To(ContainSubstring("canceled"))
}

// answerProbe replaces the operator: it waits for a new request and answers it.
func (l *live) answerProbe(t *testing.T, outcome string) <-chan error {
	t.Helper()
	key := client.ObjectKey{Namespace: "im", Name: "chat"}
	var before v1alpha1.OpenIMStack
	NewWithT(t).Expect(l.admin.Get(t.Context(), key, &before)).To(Succeed())
	const period, timeout = 50 * time.Millisecond, 30 * time.Second
	answered := make(chan error, 1)
	go func() {
		answered <- wait.PollUntilContextTimeout(t.Context(), period, timeout, true, func(ctx context.Context) (bool, error) {
			var stack v1alpha1.OpenIMStack
			if err := l.admin.Get(ctx, key, &stack); err != nil {
				return false, err
			}
			request := stack.Annotations[v1alpha1.AnnotationProbeRequested]
			if request == before.Annotations[v1alpha1.AnnotationProbeRequested] {
				return false, nil
			}
			was := stack.DeepCopy()
			stack.Status.Boundary.LastProbe.Request, stack.Status.Boundary.LastProbe.Outcome = request, outcome
			return true, l.admin.Status().Patch(ctx, &stack, client.MergeFrom(was))
		})
	}()
	return answered
}
