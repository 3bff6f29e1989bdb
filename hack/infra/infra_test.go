package infra

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// stores and their ports, as the contract with the operator's samples has them.
var stores = map[string]int32{"etcd": 2379, "redis": 6379, "redis-wrapper": 6379, "kafka": 9092, "mongodb": 27017, "s3": 9000}

// imageOf a store. Both Redis are the same program.
func imageOf(store string) string { return "infra-" + strings.TrimSuffix(store, "-wrapper") }

func images() map[string]string {
	refs := map[string]string{}
	for name := range stores {
		refs[imageOf(name)] = "example/" + imageOf(name) + ":dev-0123456789ab"
	}
	return refs
}

var passwords = Passwords{OpenIM: "secret-of-the-test", Wrapper: "another-secret-of-the-test", Files: "third-secret-of-the-test"}

func objects(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	all, err := Objects(images(), passwords)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func typed[T any](t *testing.T, kind string) map[string]*T {
	t.Helper()
	found := map[string]*T{}
	for _, o := range objects(t) {
		if o.GetKind() != kind {
			continue
		}
		object := new(T)
		// strict: a misspelt field is an error here, and only a warning to the API server
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, object, true); err != nil {
			t.Fatalf("%s %s: %v", kind, o.GetName(), err)
		}
		found[o.GetName()] = object
	}
	return found
}

func TestNamespaceAndSecretComeFirst(t *testing.T) {
	g := NewWithT(t)
	all := objects(t)
	g.Expect(all[0].GetKind()).To(Equal("Namespace"))
	g.Expect(all[0].GetLabels()).To(HaveKeyWithValue("pod-security.kubernetes.io/enforce", "restricted"))
	g.Expect(all[1].GetKind() + "/" + all[1].GetName()).To(Equal("Secret/redis"))
	g.Expect(all[2].GetKind() + "/" + all[2].GetName()).To(Equal("Secret/redis-wrapper"))
	g.Expect(all[3].GetKind() + "/" + all[3].GetName()).To(Equal("Secret/s3"))
	for _, o := range all[1:] {
		g.Expect(o.GetNamespace()).To(Equal(Namespace), o.GetKind()+" "+o.GetName())
	}
}

func TestEachStoreIsServedOnItsPort(t *testing.T) {
	g := NewWithT(t)
	services, sets := typed[corev1.Service](t, "Service"), typed[appsv1.StatefulSet](t, "StatefulSet")
	g.Expect(services).To(HaveLen(len(stores)))
	g.Expect(sets).To(HaveLen(len(stores)))
	for name, port := range stores {
		service, template := services[name], sets[name].Spec.Template
		g.Expect(service.Spec.Ports).To(HaveLen(1), name)
		g.Expect(service.Spec.Ports[0].Port).To(Equal(port), name)
		g.Expect(template.Labels).To(HaveKeyWithValue("app.kubernetes.io/name", name))
		g.Expect(service.Spec.Selector).To(Equal(template.Labels), name)
		ports := template.Spec.Containers[0].Ports
		i := slices.IndexFunc(ports, func(p corev1.ContainerPort) bool { return p.Name == service.Spec.Ports[0].TargetPort.StrVal })
		g.Expect(i).To(BeNumerically(">=", 0), name+": the service leads to a port that the container names")
		g.Expect(ports[i].ContainerPort).To(Equal(port), name)
	}
}

func TestPodsAreRestrictedBoundedAndProbed(t *testing.T) {
	for name, set := range typed[appsv1.StatefulSet](t, "StatefulSet") {
		g := NewWithT(t)
		pod := set.Spec.Template.Spec
		g.Expect(*pod.AutomountServiceAccountToken).To(BeFalse(), name)
		g.Expect(*pod.SecurityContext.RunAsNonRoot).To(BeTrue(), name)
		g.Expect(pod.SecurityContext.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault), name)
		c := pod.Containers[0]
		g.Expect(*c.SecurityContext.ReadOnlyRootFilesystem).To(BeTrue(), name)
		g.Expect(*c.SecurityContext.AllowPrivilegeEscalation).To(BeFalse(), name)
		g.Expect(c.SecurityContext.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")), name)
		g.Expect(c.Resources.Limits.Memory().IsZero()).To(BeFalse(), name)
		g.Expect(c.Resources.Requests.Memory().IsZero()).To(BeFalse(), name)
		for kind, probe := range map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe} {
			g.Expect(probe).NotTo(BeNil(), name+" "+kind)
		}
		g.Expect(c.Image).To(Equal(images()[imageOf(name)]))
		g.Expect(c.ImagePullPolicy).To(Equal(corev1.PullIfNotPresent), "nothing is pulled for what is loaded")
	}
}

func TestEachPasswordIsInItsSecretAndNowhereElse(t *testing.T) {
	g := NewWithT(t)
	for password, secret := range map[string]string{
		`"` + passwords.OpenIM + `"`: RedisSecret, passwords.Wrapper: WrapperRedisSecret, passwords.Files: FilesSecret,
	} {
		for _, o := range objects(t) {
			raw, err := o.MarshalJSON()
			g.Expect(err).NotTo(HaveOccurred())
			holds := o.GetKind() == "Secret" && o.GetName() == secret
			g.Expect(strings.Contains(string(raw), password)).To(Equal(holds), o.GetKind()+" "+o.GetName())
		}
		var keys []string
		for _, env := range typed[appsv1.StatefulSet](t, "StatefulSet")[secret].Spec.Template.Spec.Containers[0].Env {
			if env.ValueFrom != nil {
				g.Expect(env.ValueFrom.SecretKeyRef.Name).To(Equal(secret))
				keys = append(keys, env.ValueFrom.SecretKeyRef.Key)
			}
		}
		g.Expect(keys).To(Or(ConsistOf(PasswordKey), ConsistOf(AccessKeyIDKey, SecretKeyKey)), secret)
	}
}

// Sources that each store allows. Pods have the labels that the operator writes. All other sources are denied.
func TestEachStoreLetsInWhoNeedsItAndNobodyElse(t *testing.T) {
	process := func(name string) labels.Set {
		return labels.Set{v1alpha1.LabelName: v1alpha1.NameOpenIM, v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelComponent: name}
	}
	role := func(name string) labels.Set {
		return labels.Set{v1alpha1.LabelName: v1alpha1.NameWrapper, v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelComponent: name}
	}
	pods := map[string]labels.Set{
		"openim":    process("rpc-msg"),
		"rpc-third": process("rpc-third"),
		"gateway":   role("gateway"),
		"backend":   role("backend"),
		"other":     {"app": "x"},
		"impostor":  {v1alpha1.LabelPartOf: v1alpha1.PartOf, v1alpha1.LabelComponent: "rpc-third"},
	}
	want := map[string][]string{
		"etcd": {"openim", "rpc-third"}, "kafka": {"openim", "rpc-third"}, "redis": {"openim", "rpc-third"},
		"mongodb": {"openim", "rpc-third", "backend"}, "redis-wrapper": {"gateway", "backend"}, "s3": {"rpc-third"},
	}
	policies := typed[networkingv1.NetworkPolicy](t, "NetworkPolicy")
	for store := range stores {
		var in []string
		for pod, labels := range pods {
			g := NewWithT(t)
			g.Expect(admits(t, policies, store, nil, labels)).To(BeFalse(), "%s reaches %s from a namespace that is not allowed to", pod, store)
			if admits(t, policies, store, map[string]string{AllowedLabel: Allowed}, labels) {
				in = append(in, pod)
			}
		}
		NewWithT(t).Expect(in).To(ConsistOf(want[store]), store)
	}
}

// admits works out what the policies together say of one connection, as a cluster would.
func admits(t *testing.T, policies map[string]*networkingv1.NetworkPolicy, store string, namespace, pod labels.Set) bool {
	t.Helper()
	matches := func(selector *metav1.LabelSelector, set labels.Set) bool {
		s, err := metav1.LabelSelectorAsSelector(selector)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		return s.Matches(set)
	}
	isolated, open := false, false
	for _, p := range policies {
		if !matches(&p.Spec.PodSelector, labels.Set{v1alpha1.LabelName: store}) {
			continue
		}
		isolated = true
		for _, rule := range p.Spec.Ingress {
			for _, peer := range rule.From {
				open = open || matches(peer.NamespaceSelector, namespace) && matches(peer.PodSelector, pod)
			}
		}
	}
	return !isolated || open
}

func TestMissingInputsAreReported(t *testing.T) {
	g := NewWithT(t)
	for _, bad := range []Passwords{{}, {OpenIM: "x", Wrapper: "y"}, {Wrapper: "x", Files: "y"}, {OpenIM: "x", Wrapper: "x", Files: "y"},
		{OpenIM: "x", Wrapper: "y", Files: "x"}} {
		_, err := Objects(images(), bad)
		g.Expect(err).To(MatchError(ContainSubstring("three different passwords")), "%+v", bad)
	}
	few := images()
	delete(few, "infra-kafka")
	_, err := Objects(few, passwords)
	g.Expect(err).To(MatchError(ContainSubstring("--only infra-kafka")))
}

// kubectl apply -k uses placeholders which kustomization.yaml gives tags: each must be named there.
func TestTheKustomizationNamesEveryImage(t *testing.T) {
	g := NewWithT(t)
	kustomization, err := files.ReadFile("kustomization.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	list, err := resources()
	g.Expect(err).NotTo(HaveOccurred())
	entries, err := files.ReadDir(".")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(list).To(HaveLen(len(entries)-1), "every file but kustomization.yaml itself")
	placeholder := regexp.MustCompile(`image: (openimstack/infra-[a-z0-9]+):dev`)
	seen := 0
	for _, file := range list {
		content, err := files.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for _, m := range placeholder.FindAllStringSubmatch(string(content), -1) {
			seen++
			g.Expect(string(kustomization)).To(ContainSubstring("- name: " + m[1] + "\n"))
		}
	}
	g.Expect(seen).To(Equal(len(stores)))
}
