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
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// stores and their ports, as the contract with the operator's samples has them.
var stores = map[string]int32{"etcd": 2379, "redis": 6379, "kafka": 9092, "mongodb": 27017}

func images() map[string]string {
	refs := map[string]string{}
	for name := range stores {
		refs["infra-"+name] = "example/infra-" + name + ":dev-0123456789ab"
	}
	return refs
}

func objects(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	all, err := Objects(images(), "secret-of-the-test")
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
		g.Expect(c.Image).To(Equal(images()["infra-"+name]))
		g.Expect(c.ImagePullPolicy).To(Equal(corev1.PullIfNotPresent), "nothing is pulled for what is loaded")
	}
}

func TestThePasswordIsInTheSecretAndNowhereElse(t *testing.T) {
	g := NewWithT(t)
	for _, o := range objects(t) {
		raw, err := o.MarshalJSON()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(strings.Contains(string(raw), "secret-of-the-test")).To(Equal(o.GetKind() == "Secret"), o.GetKind()+" "+o.GetName())
	}
	env := typed[appsv1.StatefulSet](t, "StatefulSet")["redis"].Spec.Template.Spec.Containers[0].Env
	g.Expect(env[0].ValueFrom.SecretKeyRef.Name).To(Equal(RedisSecret))
	g.Expect(env[0].ValueFrom.SecretKeyRef.Key).To(Equal(RedisPasswordKey))
}

func TestOnlyPodsOfStacksReachTheStores(t *testing.T) {
	g := NewWithT(t)
	policies := typed[networkingv1.NetworkPolicy](t, "NetworkPolicy")
	g.Expect(policies).To(HaveLen(1))
	policy := policies["stores"].Spec
	g.Expect(policy.PodSelector.MatchLabels).To(BeEmpty(), "every pod of the namespace")
	g.Expect(policy.Ingress).To(HaveLen(1))
	g.Expect(policy.Ingress[0].From).To(HaveLen(1))
	g.Expect(policy.Ingress[0].From[0].PodSelector.MatchLabels).To(Equal(map[string]string{"app.kubernetes.io/part-of": "openimstack"}))
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	g := NewWithT(t)
	_, err := Objects(images(), "")
	g.Expect(err).To(MatchError(ContainSubstring("needs a password")))
	few := images()
	delete(few, "infra-kafka")
	_, err = Objects(few, "x")
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
	placeholder := regexp.MustCompile(`image: (openimstack/infra-[a-z]+):dev`)
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
