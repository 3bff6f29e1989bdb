package load

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// snapshotReader is the reader with which references are resolved: it serves Services and EndpointSlices from a snapshot. A snapshot has no
// Secrets; placeholders replace those that the spec names, so that no user needs the right to read a Secret. So it is with the
// ConfigMap of spec.pods.trust.
type snapshotReader struct {
	snapshot *snapshot.Snapshot
	secrets  map[string]*corev1.Secret
	// trust names the ConfigMap and key of spec.pods.trust, or is nil.
	trust *v1alpha1.ConfigMapKeyReference
}

// Get returns a Service, or the placeholder of a Secret or ConfigMap.
func (r snapshotReader) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	switch into := into.(type) {
	case *corev1.Service:
		if s := r.service(key); s != nil {
			s.DeepCopyInto(into)
			return nil
		}
		return apierrors.NewNotFound(schema.GroupResource{Resource: "services"}, key.Name)
	case *corev1.Secret:
		if s := r.secrets[key.Name]; s != nil {
			s.DeepCopyInto(into)
			return nil
		}
		return apierrors.NewNotFound(schema.GroupResource{Resource: "secrets"}, key.Name)
	case *corev1.ConfigMap:
		if r.trust != nil && r.trust.Name == key.Name {
			certificate, _ := certificateAndKey()
			into.Data = map[string]string{r.trust.Key: certificate}
			return nil
		}
		return apierrors.NewNotFound(schema.GroupResource{Resource: "configmaps"}, key.Name)
	case *unstructured.Unstructured: // of a resourceRef
		return apierrors.NewNotFound(schema.GroupResource{Resource: into.GetKind()}, key.Name)
	default:
		return fmt.Errorf("reading a snapshot: %T is not in it", into)
	}
}

// readerFor returns the reader for the references of a stack.
func readerFor(s *snapshot.Snapshot, stack *v1alpha1.OpenIMStack, mongodbAddresses []string) snapshotReader {
	r := snapshotReader{snapshot: s, secrets: placeholders(stack, mongodbAddresses)}
	if stack.Spec.Pods != nil {
		r.trust = stack.Spec.Pods.Trust
	}
	return r
}

// List returns the EndpointSlices of a Service. For manifests it derives them, because a folder seldom has any.
func (r snapshotReader) List(_ context.Context, into client.ObjectList, options ...client.ListOption) error {
	if _, ok := into.(*unstructured.UnstructuredList); ok {
		return nil // ReferenceGrants: whether a resourceRef is permitted, the operator decides
	}
	slices, ok := into.(*discoveryv1.EndpointSliceList)
	if !ok {
		return fmt.Errorf("reading a snapshot: %T is not in it", into)
	}
	o := (&client.ListOptions{}).ApplyOptions(options)
	for _, s := range r.snapshot.EndpointSlices {
		if s.Namespace == o.Namespace && (o.LabelSelector == nil || o.LabelSelector.Matches(labels.Set(s.Labels))) {
			slices.Items = append(slices.Items, s)
		}
	}
	if len(slices.Items) > 0 || r.snapshot.Origin.Kind != snapshot.Files || o.LabelSelector == nil {
		return nil
	}
	if name, ok := o.LabelSelector.RequiresExactMatch(discoveryv1.LabelServiceName); ok {
		slices.Items = r.expectedSlices(client.ObjectKey{Namespace: o.Namespace, Name: name})
	}
	return nil
}

func (r snapshotReader) service(key client.ObjectKey) *corev1.Service {
	for i := range r.snapshot.Services {
		if s := &r.snapshot.Services[i]; s.Name == key.Name && s.Namespace == key.Namespace {
			return s
		}
	}
	return nil
}

// anyAddress is the placeholder for addresses that pods of manifests will have. Only ports are taken from a slice with this address: the
// pods are known by the selector of the Service.
const anyAddress = "192.0.2.1" // RFC 5737

// expectedSlices returns the EndpointSlices that the cluster will make for a Service of manifests: one for each pod that the Service
// selects, with the numbers behind the names of its target ports.
func (r snapshotReader) expectedSlices(key client.ObjectKey) []discoveryv1.EndpointSlice {
	service := r.service(key)
	if service == nil || len(service.Spec.Selector) == 0 {
		return nil
	}
	selector := labels.SelectorFromSet(service.Spec.Selector)
	var made []discoveryv1.EndpointSlice
	for _, pod := range r.snapshot.Pods {
		if pod.Namespace != key.Namespace || !selector.Matches(labels.Set(pod.Labels)) {
			continue
		}
		slice := discoveryv1.EndpointSlice{
			ObjectMeta:  metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name + "-" + pod.Name},
			AddressType: discoveryv1.AddressTypeIPv4,
			Endpoints:   []discoveryv1.Endpoint{{Addresses: []string{anyAddress}}},
		}
		for _, port := range service.Spec.Ports {
			if number, ok := targetOf(port, pod); ok {
				slice.Ports = append(slice.Ports, discoveryv1.EndpointPort{
					Name: ptr.To(port.Name), Port: ptr.To(number), Protocol: ptr.To(port.Protocol),
				})
			}
		}
		made = append(made, slice)
	}
	return made
}

// targetOf returns the number behind a port of a Service in a pod. Init containers count: a sidecar is an init container that keeps
// running.
func targetOf(port corev1.ServicePort, pod corev1.Pod) (int32, bool) {
	if port.TargetPort.Type == intstr.Int {
		return port.TargetPort.IntVal, true
	}
	for _, containers := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		for _, c := range containers {
			for _, p := range c.Ports {
				if p.Name == port.TargetPort.StrVal && p.Protocol == port.Protocol {
					return p.ContainerPort, true
				}
			}
		}
	}
	return 0, false
}
