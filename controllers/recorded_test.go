package controllers_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// recordEnv names the file to which the stacks of this version of the operator are recorded: see testdata/earlier/README.md.
const recordEnv = "RECORD_EARLIER"

// recording is what a version of the operator had made of one stack, which is called chat, and what the stack refers to.
type recording struct {
	// Namespace in which the objects were. Addresses in ConfigMaps and templates contain it.
	Namespace string `json:"namespace"`
	// Objects as the API server had them, the stack with its status.
	Objects []unstructured.Unstructured `json:"objects"`
}

// recordedKinds are the kinds of which all objects of the namespace are recorded. Others make ReplicaSets and pods.
var recordedKinds = []schema.GroupVersionKind{
	v1alpha1.GroupVersion.WithKind("OpenIMStack"),
	{Version: "v1", Kind: "Secret"}, {Version: "v1", Kind: "ConfigMap"}, {Version: "v1", Kind: "Service"},
	{Version: "v1", Kind: "ServiceAccount"},
	{Group: "networking.k8s.io", Version: "v1", Kind: "NetworkPolicy"},
	{Group: "policy", Version: "v1", Kind: "PodDisruptionBudget"}, {Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	{Group: "apps", Version: "v1", Kind: "ControllerRevision"}, {Group: "apps", Version: "v1", Kind: "Deployment"},
}

// record returns all objects of the namespace.
func (w testEnv) record() recording {
	GinkgoHelper()
	r := recording{Namespace: w.namespace}
	for _, gvk := range recordedKinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(gvk)
		Expect(k8s.List(w.ctx, list, client.InNamespace(w.namespace))).To(Succeed())
		for _, object := range list.Items {
			if object.GetName() != "default" && object.GetName() != "kube-root-ca.crt" { // Kubernetes makes these
				r.Objects = append(r.Objects, object)
			}
		}
	}
	return r
}

// recordedStacks are the stacks of a recording: one with what is required alone, one with most parts that templates can have, and one with
// two run revisions, the second of which has templates of the first. When the last one is loaded, its templates are changed.
var recordedStacks = []string{"minimal", "full", "rotated"}

// recordedNamespace returns the namespace of a recorded stack, which no other recording has.
func recordedNamespace(file, stack string) string {
	version := strings.ReplaceAll(strings.TrimSuffix(filepath.Base(file), recordingSuffix), ".", "-")
	return "earlier-" + version + "-" + stack
}

// recordingSuffix is the end of the names of recordings. What is before it is the version.
const recordingSuffix = ".json.gz"

// full changes a stack so that templates have most parts that they can have.
const full = `
processes:
  api: {replicas: 2, resources: {requests: {cpu: 250m}, limits: {memory: 2Gi}}}
  cronTask: {resources: {limits: {memory: 256Mi}}}
wrapper:
  gateway: {replicas: 3, maxSockets: 5000, drainSeconds: 30}
  limits:
    classes:
    - {name: login, perSecond: 500m, burst: 5, by: [IP]}
  policy:
    rules:
    - {name: no-web, expression: identity.platformID != 5, message: the web client is not let in}
  audit: {output: Stdout}
network:
  clients: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ingress}}, podSelector: {matchLabels: {app: ingress}}}]
  monitoring: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  extraEgress:
  - name: push-vendor
    components: [push]
    peers: [{ipBlock: {cidr: 192.0.2.128/25}}]
    ports: [{port: 443}]
    reason: notifications to phones
`

// It is registered on request alone: it tests nothing.
var _ = Describe("Recording", func() {
	path := os.Getenv(recordEnv)
	if path == "" {
		return
	}
	It("writes what this version of the operator makes of stacks", func(ctx context.Context) {
		startOperator()
		var all []recording
		for _, name := range recordedStacks {
			w := newNamespace(context.WithoutCancel(ctx), metav1.ObjectMeta{Name: recordedNamespace(path, name)})
			w.fill()
			w.start("chat", func(s *v1alpha1.OpenIMStackSpec) {
				if name != "minimal" {
					letUsersIn(s)
				}
				if name == "full" {
					Expect(yaml.UnmarshalStrict([]byte(full), s)).To(Succeed())
				}
			})
			w.eventuallyReady("chat")
			if name == "rotated" {
				w.rollsOut("chat", func() {
					var secret corev1.Secret
					w.editObject("redis", &secret, "test", func() { secret.Data["password"] = []byte("another example") })
				})
				w.eventuallyReady("chat")
			}
			all = append(all, w.record())
		}
		text, err := json.Marshal(all)
		Expect(err).NotTo(HaveOccurred())
		file, err := os.Create(path)
		Expect(err).NotTo(HaveOccurred())
		packed := gzip.NewWriter(file)
		_, err = packed.Write(text)
		Expect(err).NotTo(HaveOccurred())
		Expect(packed.Close()).To(Succeed())
		Expect(file.Close()).To(Succeed())
	})
})
