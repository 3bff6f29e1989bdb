package snapshot

import (
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// decoder decodes a kind that has a Go type.
type decoder struct {
	version     string
	clusterWide bool
	make        func() metav1.Object
	keep        func(*collection, metav1.Object)
}

// decode returns a decoder for a type.
func decode[T any, P object[T]](version string, keep func(*collection, *T)) decoder {
	return decoder{
		version: version,
		make:    func() metav1.Object { return P(new(T)) },
		keep:    func(c *collection, o metav1.Object) { keep(c, (*T)(o.(P))) },
	}
}

var stacks = v1alpha1.GroupVersion

// decoders of all kinds with Go types. Workloads are kept as the pods that they create.
var decoders = map[schema.GroupKind]decoder{
	{Kind: "Namespace"}:             clusterScoped(decode("v1", (*collection).keepNamespace)),
	{Kind: "Pod"}:                   decode("v1", (*collection).keepPod),
	{Kind: "ReplicationController"}: decode("v1", (*collection).keepReplicationController),
	{Kind: "Service"}:               decode("v1", (*collection).keepService),
	{Kind: "Endpoints"}:             decode("v1", (*collection).keepEndpoints),
	{Group: appsv1.GroupName, Kind: "Deployment"}: decode("v1", func(c *collection, o *appsv1.Deployment) {
		c.workload("Deployment", o, o.Spec.Template)
	}),
	{Group: appsv1.GroupName, Kind: "StatefulSet"}: decode("v1", func(c *collection, o *appsv1.StatefulSet) {
		c.workload("StatefulSet", o, o.Spec.Template)
	}),
	{Group: appsv1.GroupName, Kind: "DaemonSet"}: decode("v1", func(c *collection, o *appsv1.DaemonSet) {
		c.workload("DaemonSet", o, o.Spec.Template)
	}),
	{Group: appsv1.GroupName, Kind: "ReplicaSet"}: decode("v1", func(c *collection, o *appsv1.ReplicaSet) {
		c.workload("ReplicaSet", o, o.Spec.Template)
	}),
	{Group: batchv1.GroupName, Kind: "Job"}: decode("v1", func(c *collection, o *batchv1.Job) {
		c.workload("Job", o, o.Spec.Template)
	}),
	{Group: batchv1.GroupName, Kind: "CronJob"}: decode("v1", func(c *collection, o *batchv1.CronJob) {
		c.workload("CronJob", o, o.Spec.JobTemplate.Spec.Template)
	}),
	{Group: discoveryv1.GroupName, Kind: "EndpointSlice"}: decode("v1", func(c *collection, o *discoveryv1.EndpointSlice) {
		c.snapshot.EndpointSlices = append(c.snapshot.EndpointSlices, *o)
	}),
	{Group: networkingv1.GroupName, Kind: "NetworkPolicy"}: decode("v1", (*collection).keepPolicy),
	{Group: networkingv1.GroupName, Kind: "Ingress"}: decode("v1", func(c *collection, o *networkingv1.Ingress) {
		c.snapshot.Ingresses = append(c.snapshot.Ingresses, *o)
	}),
	{Group: stacks.Group, Kind: "OpenIMStack"}: decode(stacks.Version, func(c *collection, o *v1alpha1.OpenIMStack) {
		c.snapshot.Stacks = append(c.snapshot.Stacks, *o)
	}),
}

func clusterScoped(d decoder) decoder {
	d.clusterWide = true
	return d
}

// keepNamespace adds the label that the API server sets (KEP-2161).
func (c *collection) keepNamespace(o *corev1.Namespace) {
	if o.Labels == nil {
		o.Labels = map[string]string{}
	}
	o.Labels[corev1.LabelMetadataName] = o.Name
	c.snapshot.Namespaces = append(c.snapshot.Namespaces, *o)
}

func (c *collection) keepService(o *corev1.Service) {
	defaultService(o)
	c.snapshot.Services = append(c.snapshot.Services, *o)
}

func (c *collection) keepPolicy(o *networkingv1.NetworkPolicy) {
	defaultPolicy(o)
	c.snapshot.Policies = append(c.snapshot.Policies, *o)
}

func (c *collection) keepPod(o *corev1.Pod) {
	defaultPod(&o.Spec)
	c.pod("Pod", trimPod(*o))
}

func (c *collection) keepReplicationController(o *corev1.ReplicationController) {
	if o.Spec.Template != nil {
		c.workload("ReplicationController", o, *o.Spec.Template)
	}
}

// keepEndpoints creates the EndpointSlices that the mirroring controller creates for Endpoints.
func (c *collection) keepEndpoints(o *corev1.Endpoints) { //nolint:staticcheck // deprecated, and still served and mirrored
	for i, subset := range o.Subsets {
		c.snapshot.EndpointSlices = append(c.snapshot.EndpointSlices, mirrored(o.ObjectMeta, i, subset))
	}
}
