package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/hack/infra"
	"github.com/openimstack/openim-operator/netpol/admission"
	"github.com/openimstack/openim-operator/netpol/graph"
)

const (
	exampleDir  = "config/cluster-network-policy"
	demo        = "config/samples/demo.yaml"
	exampleNote = `# Generated from netpol/admission by ` + "`make generate`" + `: ClusterNetworkPolicies for the stack of config/samples/demo.yaml.
# For another stack: kubectl openimstack render --cluster-network-policy. Needs a network that enforces
# policy.networking.k8s.io/v1alpha2.
`
)

// clusterNetworkPolicies renders the example for the demo's stack and its stores, with one file for each component.
func clusterNetworkPolicies(root string) (map[string][]byte, error) {
	content, err := os.ReadFile(filepath.Join(root, demo))
	if err != nil {
		return nil, err
	}
	var stack v1alpha1.OpenIMStack
	if err := yaml.UnmarshalStrict(content, &stack); err != nil {
		return nil, fmt.Errorf("reading %s: %w", demo, err)
	}
	objects, err := demoObjects(&stack)
	if err != nil {
		return nil, err
	}
	facts, problems, err := dependencies.Resolve(context.Background(), fake.NewClientBuilder().WithObjects(objects...).Build(), &stack)
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("resolving the references of %s: hack/infra lacks: %v", demo, problems)
	}
	policies, err := admission.ClusterNetworkPolicies(graph.New(&stack, facts), admission.DefaultPriority)
	if err != nil {
		return nil, err
	}
	files, list := map[string][]byte{}, exampleNote+"apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
	for _, policy := range policies {
		text, err := yaml.Marshal(policy.Object)
		if err != nil {
			return nil, err
		}
		name := policy.GetLabels()[v1alpha1.LabelComponent] + ".yaml"
		files[name] = text
		list += "- " + name + "\n"
	}
	files["kustomization.yaml"] = []byte(list)
	return files, nil
}

// demoObjects returns the Services of the demo's stores and the Secrets that the stack refers to. The content of the Secrets is not shown.
func demoObjects(stack *v1alpha1.OpenIMStack) ([]client.Object, error) {
	rendered, err := infra.ExampleObjects(func(name string) string { return name })
	if err != nil {
		return nil, err
	}
	objects, err := stores(rendered)
	if err != nil {
		return nil, err
	}
	keys := stack.Spec.Wrapper.Auth.Admins.Issuers[0].JWKS.SecretRef
	objects = append(objects, secret(stack, keys.Name, keys.Key, `{"keys":[{}]}`))
	for _, made := range v1alpha1.GeneratedKeys() {
		objects = append(objects, secret(stack, v1alpha1.ChildName(stack.Name, made.Suffix), made.Key, strings.Repeat("A", 43)))
	}
	return append(objects, infra.ExampleSecrets(stack.Namespace)...), nil
}

// stores returns the Services, each with the EndpointSlice that a cluster writes when the pods run.
func stores(rendered []*unstructured.Unstructured) ([]client.Object, error) {
	services, ports := map[string]*corev1.Service{}, map[string][]corev1.ContainerPort{}
	for _, object := range rendered {
		var err error
		switch object.GetKind() {
		case "Service":
			services[object.GetName()] = &corev1.Service{}
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, services[object.GetName()])
		case "StatefulSet":
			var set appsv1.StatefulSet
			err = runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, &set)
			ports[object.GetName()] = set.Spec.Template.Spec.Containers[0].Ports
		}
		if err != nil {
			return nil, err
		}
	}
	var objects []client.Object
	for name, service := range services {
		slice := &discoveryv1.EndpointSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: service.Namespace, Name: name, Labels: map[string]string{discoveryv1.LabelServiceName: name}},
			Endpoints:  []discoveryv1.Endpoint{{Addresses: []string{"192.0.2.1"}}}, // RFC 5737; the policies select pods, not addresses
		}
		for _, p := range service.Spec.Ports {
			for _, target := range ports[name] {
				if target.Name == p.TargetPort.StrVal {
					slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{Name: &p.Name, Port: &target.ContainerPort})
				}
			}
		}
		objects = append(objects, service, slice)
	}
	return objects, nil
}

func secret(stack *v1alpha1.OpenIMStack, name, key, value string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: name}, Data: map[string][]byte{key: []byte(value)},
	}
}
