package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/hack/infra"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
)

// sample is the stack of the demo, relative to the project.
const sample = "config/samples/demo.yaml"

// intended is a stack with its facts, and the cluster as the operator intends it.
type intended struct {
	stack    *v1alpha1.OpenIMStack
	facts    openim.Facts
	snapshot *snapshot.Snapshot
}

// load reads the demo's stack and stores from the manifests that the demo applies, and adds the objects of the operator.
func load(ctx context.Context, root string) (*intended, error) {
	content, err := os.ReadFile(filepath.Join(root, sample))
	if err != nil {
		return nil, err
	}
	d := &intended{stack: &v1alpha1.OpenIMStack{}}
	if err := yaml.UnmarshalStrict(content, d.stack); err != nil {
		return nil, fmt.Errorf("reading %s: %w", sample, err)
	}
	if d.snapshot, err = around(d.stack, content); err != nil {
		return nil, err
	}
	var problems []dependencies.Problem
	d.facts, problems, err = dependencies.Resolve(
		ctx,
		fake.NewClientBuilder().WithObjects(references(d.stack, d.snapshot)...).Build(),
		d.stack,
	)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("resolving the references of %s: hack/infra lacks: %v", sample, problems)
	}
	objects, err := manifests.Build(d.stack, d.facts, manifests.Options{
		WrapperImage: "openimstack/openim-wrapper:dev", SupervisorImage: "openimstack/openim-supervisor:dev",
	})
	if err != nil {
		return nil, err
	}
	for _, o := range objects {
		d.snapshot.AddIntended(o)
	}
	return d, nil
}

// around reads the namespaces, the stores and the stack like `kubectl openimstack audit --from-files`.
func around(stack *v1alpha1.OpenIMStack, sampleContent []byte) (*snapshot.Snapshot, error) {
	dir, err := os.MkdirTemp("", "auditdocs-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	stores, err := infra.ExampleObjects(func(name string) string { return "openimstack/" + name + ":dev" }) // a snapshot contains no Secret
	if err != nil {
		return nil, err
	}
	objects := []any{&corev1.Namespace{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Namespace"},
		ObjectMeta: metav1.ObjectMeta{Name: stack.Namespace, Labels: map[string]string{infra.AllowedLabel: infra.Allowed}},
	}}
	for _, o := range stores {
		objects = append(objects, o)
	}
	documents := bytes.NewBuffer(bytes.Clone(sampleContent))
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return nil, err
		}
		documents.WriteString("---\n" + string(text))
	}
	if err := os.WriteFile(filepath.Join(dir, "demo.yaml"), documents.Bytes(), 0o600); err != nil {
		return nil, err
	}
	w, _, err := snapshot.FromFiles(dir, stack.Namespace)
	if err != nil {
		return nil, err
	}
	w.Origin.Name = sample + ", hack/infra"
	return w, nil
}

// references returns the objects that the stack's spec refers to: Services with the EndpointSlices that a cluster writes when their pods
// run, and Secrets, whose content is not shown.
func references(stack *v1alpha1.OpenIMStack, w *snapshot.Snapshot) []client.Object {
	var out []client.Object
	for i := range w.Services {
		out = append(out, &w.Services[i], slice(&w.Services[i], w.Pods))
	}
	secret := func(name, key, value string) {
		out = append(out, &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: name}, Data: map[string][]byte{key: []byte(value)},
		})
	}
	for _, issuer := range stack.Spec.Wrapper.Auth.Admins.Issuers {
		if ref := issuer.JWKS.SecretRef; ref != nil {
			secret(ref.Name, ref.Key, `{"keys":[{}]}`)
		}
	}
	out = append(out, infra.ExampleSecrets(stack.Namespace)...)
	for _, g := range v1alpha1.GeneratedKeys() {
		secret(v1alpha1.ChildName(stack.Name, g.Suffix), g.Key, strings.Repeat("A", 43)) // 32 bytes as base64url
	}
	return out
}

// slice returns the EndpointSlice of a Service. Named ports have the numbers of the pods' containers.
func slice(service *corev1.Service, pods []corev1.Pod) *discoveryv1.EndpointSlice {
	out := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: service.Namespace, Name: service.Name, Labels: map[string]string{discoveryv1.LabelServiceName: service.Name},
		},
		Endpoints: []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}}}, // RFC 5737; policies select pods, not addresses
	}
	for _, pod := range pods {
		if pod.Namespace != service.Namespace || pod.Labels[v1alpha1.LabelName] != service.Spec.Selector[v1alpha1.LabelName] {
			continue
		}
		for _, p := range service.Spec.Ports {
			for _, c := range pod.Spec.Containers {
				for _, target := range c.Ports {
					if target.Name == p.TargetPort.StrVal {
						out.Ports = append(out.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &target.ContainerPort})
					}
				}
			}
		}
	}
	return out
}
