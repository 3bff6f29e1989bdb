package controllers_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

// everySample are the stacks that users copy, and one with what the samples leave out.
var everySample = func() map[string]string {
	found := map[string]string{"everything": "testdata/samples/everything.yaml"}
	files, err := filepath.Glob("../config/samples/*.yaml")
	if err != nil {
		panic(err) // the pattern is wrong
	}
	for _, file := range files {
		if name := filepath.Base(file); name != "kustomization.yaml" {
			found[name] = file
		}
	}
	return found
}()

// serviceAddress matches a Service's name, or that of a pod of a headless Service, with its port, in a sample.
var serviceAddress = regexp.MustCompile(`\b(?:[a-z0-9-]+\.)?([a-z0-9-]+)\.([a-z0-9-]+)\.svc:(\d+)`)

// sample is a stack of a file in a namespace of the suite.
type sample struct {
	testEnv

	stack v1alpha1.OpenIMStack
}

// newSample reads a sample into a namespace of its own, with everything that it refers to.
func newSample(ctx context.Context, file string) sample {
	GinkgoHelper()
	s := sample{testEnv: newNamespace(context.WithoutCancel(ctx), metav1.ObjectMeta{GenerateName: "im-"})}
	text, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred())
	Expect(yaml.UnmarshalStrict(text, &s.stack)).To(Succeed())
	s.stack.Namespace = s.namespace
	for _, m := range serviceAddress.FindAllStringSubmatch(string(text), -1) {
		port, err := strconv.ParseInt(m[3], 10, 32)
		Expect(err).NotTo(HaveOccurred())
		s.service(m[2], m[1], int32(port))
	}
	if hooks := s.stack.Spec.Webhooks; hooks != nil && hooks.ServiceRef != nil {
		s.service(hooks.ServiceRef.Namespace, hooks.ServiceRef.Name, hooks.ServiceRef.Port)
	}
	for name := range pods.References(&s.stack.Spec) {
		s.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Data: anySecret()})
	}
	return s
}

// anySecret holds a value for each key that a sample names.
func anySecret() map[string][]byte {
	certificate, key := certified(time.Now().Add(90 * 24 * time.Hour))
	return map[string][]byte{
		"username": []byte("openim"), "password": []byte("example"), "accessKeyID": []byte("openim"), "secretAccessKey": []byte("example-key"),
		"appKey": []byte("example"), "masterSecret": []byte("example"), "secret": []byte("a-secret-of-32-characters-or-more"),
		"uri": []byte("mongodb://openim:example@192.0.2.65:27017/openim"), "jwks.json": []byte(`{"keys":[{"kty":"EC"}]}`),
		"ca.crt": certificate, "tls.crt": certificate, "tls.key": key,
	}
}

// service creates a Service in another namespace, or adds a port to it.
func (s sample) service(namespace, name string, port int32) {
	GinkgoHelper()
	Expect(client.IgnoreAlreadyExists(k8s.Create(s.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}))).To(Succeed())
	wanted := corev1.ServicePort{Name: "p" + strconv.Itoa(int(port)), Port: port, TargetPort: intstr.FromInt32(port)}
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{wanted}},
	}
	if err := k8s.Create(s.ctx, service); err == nil {
		return
	}
	Expect(k8s.Get(s.ctx, client.ObjectKeyFromObject(service), service)).To(Succeed())
	if slices.ContainsFunc(service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == port }) {
		return
	}
	service.Spec.Ports = append(service.Spec.Ports, wanted)
	Expect(k8s.Update(s.ctx, service)).To(Succeed())
}

// apply creates the stack as kubectl does: a field that the API does not know is an error.
func (s sample) apply() {
	GinkgoHelper()
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&s.stack)
	Expect(err).NotTo(HaveOccurred())
	delete(content, "status")
	object := &unstructured.Unstructured{Object: content}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("OpenIMStack"))
	Expect(k8s.Create(s.ctx, object, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed())
}

// replicas returns how many pods each Deployment of the stack has, by component.
func (s sample) replicas() map[string]int32 {
	GinkgoHelper()
	found := map[string]int32{}
	for _, d := range s.deployments(s.stack.Name) {
		Expect(d.Status.ReadyReplicas).To(Equal(*d.Spec.Replicas), d.Name)
		found[d.Labels[v1alpha1.LabelComponent]] = *d.Spec.Replicas
	}
	return found
}

// removed deletes the stack and waits until nothing of it is left.
func (s sample) removed() {
	GinkgoHelper()
	Expect(k8s.Delete(s.ctx, &s.stack)).To(Succeed())
	Eventually(func(g Gomega) {
		s.beReady()
		g.Expect(s.exists(s.stack.Name, &v1alpha1.OpenIMStack{})).To(BeFalse())
		var left appsv1.DeploymentList
		g.Expect(k8s.List(s.ctx, &left, client.InNamespace(s.namespace))).To(Succeed())
		g.Expect(left.Items).To(BeEmpty())
	}).Should(Succeed())
}

// rendered are what a sample shows, beside what all have in common.
var rendered = map[string]func(sample){
	"openimstack_v1alpha1_production.yaml": func(s sample) {
		Expect(s.replicas()).To(And(HaveKeyWithValue("msggateway", int32(3)), HaveKeyWithValue("rpc-msg", int32(3)),
			HaveKeyWithValue(v1alpha1.ComponentGateway, int32(3))))
		Expect(s.configOf(s.stack.Name, string(openim.RPCMsg))["webhooks.yml"]).To(ContainSubstring("http://moderation.apps.svc:8080/openim"))
		Expect(s.status(s.stack.Name).Boundary.Exceptions).To(ContainElement(HavePrefix("WebhookDirect: ")))
	},
	"openimstack_v1alpha1_openshift.yaml": func(s sample) {
		for component := range s.replicas() {
			security := s.podTemplate(s.stack.Name + "-" + component).Spec.SecurityContext
			Expect([]*int64{security.RunAsUser, security.RunAsGroup, security.FSGroup}).To(HaveEach(BeNil()), component)
		}
	},
	"everything": func(s sample) {
		var scalers autoscalingv2.HorizontalPodAutoscalerList
		Expect(k8s.List(s.ctx, &scalers, client.InNamespace(s.namespace))).To(Succeed())
		Expect(scalers.Items).To(ContainElements(
			HaveField("Name", s.stack.Name+"-gateway"), HaveField("Name", s.stack.Name+"-rpc-msg"), HaveField("Name", s.stack.Name+"-rpc-user")))
		template := s.podTemplate(s.stack.Name + "-push")
		Expect(template.Spec.PriorityClassName).To(Equal("messaging"))
		Expect(s.configOf(s.stack.Name, "push")["kafka.yml"]).To(ContainSubstring("im-chat-"))
	},
}

// OpenShift's constraint restricted-v2 judges the pods of the sample for OpenShift. The real OpenIM runs with each sample's configuration
// in test/samples, and on a cluster, with demo.yaml, in test/e2e.
var _ = Describe("Every sample", Ordered, ContinueOnFailure, func() {
	BeforeAll(func() {
		startOperator()
		class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "messaging"}, Value: 1000}
		Expect(k8s.Create(context.Background(), class)).To(Succeed())
		DeferCleanup(func() { Expect(k8s.Delete(context.Background(), class)).To(Succeed()) })
	})

	It("is tried", func() { Expect(len(everySample)).To(BeNumerically(">=", 5)) })

	becomesReady := func(ctx context.Context, name string) {
		s := newSample(ctx, everySample[name])
		if name == "openimstack_v1alpha1_openshift.yaml" {
			s.restrict()
		}
		s.apply()
		s.eventuallyReady(s.stack.Name)
		for kind, reason := range map[string]string{
			v1alpha1.ConditionDependenciesReady: v1alpha1.ReasonResolved, v1alpha1.ConditionSettingsAccepted: v1alpha1.ReasonAccepted,
		} {
			s.says(s.stack.Name, kind, metav1.ConditionTrue, reason)
		}
		Expect(s.condition(s.stack.Name, v1alpha1.ConditionStalled)).To(BeNil())
		Expect(s.replicas()).To(HaveLen(14))
		if check := rendered[name]; check != nil {
			check(s)
		}
		s.removed()
	}
	var entries []TableEntry
	for _, name := range slices.Sorted(maps.Keys(everySample)) {
		entries = append(entries, Entry(name, name))
	}
	DescribeTable("becomes Ready, with all that it refers to, and is removed again", becomesReady, entries)
})
