package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	apiyaml "k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// storePolicies are the file with the NetworkPolicies of the demo's stores.
const storePolicies = "../../hack/infra/networkpolicy.yaml"

// clean returns a stack that runs as the operator makes it, in a cluster without faults. Each call returns another copy.
func clean(t testing.TB, changes ...func(*v1alpha1.OpenIMStack)) audit.Input {
	t.Helper()
	if len(changes) > 0 {
		return build(t, changes...)
	}
	once.Do(func() { built = build(t) })
	in := built
	in.Stack, in.Snapshot = built.Stack.DeepCopy(), &snapshot.Snapshot{
		Origin: built.Snapshot.Origin, Stacks: copies(built.Snapshot.Stacks), Namespaces: copies(built.Snapshot.Namespaces),
		Pods: copies(built.Snapshot.Pods),
		Services: copies(
			built.Snapshot.Services,
		), EndpointSlices: copies(built.Snapshot.EndpointSlices), Policies: copies(built.Snapshot.Policies),
	}
	return in
}

var (
	once  sync.Once
	built audit.Input
)

func copies[T any, P interface {
	*T
	DeepCopy() *T
}](all []T) []T {
	var out []T
	for i := range all {
		out = append(out, *P(&all[i]).DeepCopy())
	}
	return out
}

func build(t testing.TB, changes ...func(*v1alpha1.OpenIMStack)) audit.Input {
	t.Helper()
	return buildWith(t, nil, changes...)
}

// buildWith builds the snapshot with further objects. References of the spec are resolved among them.
func buildWith(t testing.TB, more []client.Object, changes ...func(*v1alpha1.OpenIMStack)) audit.Input {
	t.Helper()
	g := NewWithT(t)
	stack, others := read(t, "testdata/stack.yaml")
	_, cluster := read(t, "testdata/cluster.yaml")
	_, policies := read(t, storePolicies)
	for _, p := range policies {
		p.SetNamespace("infra")
	}
	for _, change := range changes {
		change(stack)
	}
	others = slices.Concat(others, cluster, policies, more)
	facts, problems, err := dependencies.Resolve(context.Background(), fake.NewClientBuilder().WithObjects(others...).Build(), stack)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(problems).To(BeEmpty())
	children, err := manifests.Build(stack, facts, manifests.Options{
		WrapperImage: "openimstack/openim-wrapper:v0.1.0", SupervisorImage: "openimstack/openim-supervisor:v0.1.0",
	})
	g.Expect(err).NotTo(HaveOccurred())
	w := snap(others)
	w.Stacks = []v1alpha1.OpenIMStack{*stack}
	run(w, children)
	sorted(w)
	return audit.Input{Stack: stack, Graph: graph.New(stack, facts), Snapshot: w, Now: time.Date(2026, 6, 1, 11, 0, 0, 0, time.UTC)}
}

// snap returns a snapshot of objects.
func snap(objects []client.Object) *snapshot.Snapshot {
	w := &snapshot.Snapshot{Origin: snapshot.Origin{Kind: snapshot.Cluster, Name: "test"}}
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.Namespace:
			w.Namespaces = append(w.Namespaces, *o)
		case *corev1.Service:
			w.Services = append(w.Services, *o)
		case *corev1.Pod:
			w.Pods = append(w.Pods, *o)
		case *discoveryv1.EndpointSlice:
			w.EndpointSlices = append(w.EndpointSlices, *o)
		case *networkingv1.NetworkPolicy:
			w.Policies = append(w.Policies, *o)
		}
	}
	return w
}

// run adds what the cluster's controllers make of a stack's children: two pods of each Deployment, an EndpointSlice of each Service.
func run(w *snapshot.Snapshot, children []client.Object) {
	for _, object := range children {
		switch o := object.(type) {
		case *networkingv1.NetworkPolicy:
			w.Policies = append(w.Policies, *o)
		case *corev1.Service:
			w.Services = append(w.Services, *o)
			w.EndpointSlices = append(w.EndpointSlices, discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{
				Name: o.Name + "-x7k2p", Namespace: o.Namespace,
				Labels: map[string]string{discoveryv1.LabelServiceName: o.Name, discoveryv1.LabelManagedBy: "endpointslice-controller.k8s.io"},
			}})
		case *appsv1.Deployment:
			for i := range 2 {
				w.Pods = append(w.Pods, podOf(o, i, len(w.Pods)))
			}
		}
	}
}

func podOf(d *appsv1.Deployment, replica, address int) corev1.Pod {
	const hash = "5d9c7b6f4"
	pod := corev1.Pod{ObjectMeta: *d.Spec.Template.ObjectMeta.DeepCopy(), Spec: *d.Spec.Template.Spec.DeepCopy()}
	pod.Name, pod.Namespace = fmt.Sprintf("%s-%s-%05d", d.Name, hash, replica), d.Namespace
	pod.Labels["pod-template-hash"] = hash
	pod.OwnerReferences = []metav1.OwnerReference{{
		APIVersion: "apps/v1", Kind: "ReplicaSet", Name: d.Name + "-" + hash, Controller: ptr.To(true),
	}}
	pod.Spec.NodeName = fmt.Sprintf("node-%d", replica+1)
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, PodIP: fmt.Sprintf("10.2.0.%d", address), HostIP: fmt.Sprintf("172.20.0.%d", replica+2),
		PodIPs: []corev1.PodIP{{IP: fmt.Sprintf("10.2.0.%d", address)}, {IP: fmt.Sprintf("fd00:2::%d", address)}},
	}
	return pod
}

// sorted puts the objects of a snapshot in the order that package snapshot guarantees.
func sorted(w *snapshot.Snapshot) {
	by := func(a, b metav1.Object) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	}
	slices.SortFunc(w.Pods, func(a, b corev1.Pod) int { return by(&a, &b) })
	slices.SortFunc(w.Services, func(a, b corev1.Service) int { return by(&a, &b) })
	slices.SortFunc(w.Policies, func(a, b networkingv1.NetworkPolicy) int { return by(&a, &b) })
	slices.SortFunc(w.Namespaces, func(a, b corev1.Namespace) int { return by(&a, &b) })
	slices.SortFunc(w.EndpointSlices, func(a, b discoveryv1.EndpointSlice) int { return by(&a, &b) })
}

func read(t testing.TB, file string) (*v1alpha1.OpenIMStack, []client.Object) {
	t.Helper()
	g := NewWithT(t)
	text, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	var stack v1alpha1.OpenIMStack
	var objects []client.Object
	documents := apiyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return &stack, objects
		}
		g.Expect(err).NotTo(HaveOccurred())
		var kind runtime.TypeMeta
		g.Expect(yaml.Unmarshal(document, &kind)).To(Succeed())
		if kind.Kind == "OpenIMStack" {
			g.Expect(yaml.UnmarshalStrict(document, &stack)).To(Succeed())
			continue
		}
		object, _, err := clientgoscheme.Codecs.UniversalDeserializer().Decode(document, nil, nil)
		g.Expect(err).NotTo(HaveOccurred(), "%s", document)
		if secret, ok := object.(*corev1.Secret); ok {
			secret.Data = map[string][]byte{}
			for key, value := range secret.StringData {
				secret.Data[key] = []byte(value)
			}
			secret.StringData = nil
		}
		objects = append(objects, object.(client.Object))
	}
}
