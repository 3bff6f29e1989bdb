package manifests

import (
	"cmp"
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// nobody is the user and group of all containers. Upstream's image names none and would run as root.
const nobody int64 = 65532

// defaultGraceSeconds is Kubernetes' own default.
const defaultGraceSeconds int64 = 30

// workload is what differs between the Deployments of a stack.
type workload struct {
	component   graph.Component
	container   corev1.Container
	volumes     []corev1.Volume
	replicas    int32
	singleton   bool
	pullSecrets []v1alpha1.LocalReference
	// credentials is a hash of all secrets that the pod reads once, at start.
	credentials string
	version     string
	// graceSeconds that a pod has to stop. Default 30.
	graceSeconds int64
}

// deployment returns a Deployment that is hardened like all others: restricted pod security, no token, no environment of other Services.
func (b *builder) deployment(w workload) *appsv1.Deployment {
	selector := w.component.Labels(b.stack.Name)
	podLabels := CommonLabels(b.stack.Name)
	maps.Copy(podLabels, selector)
	if w.version != "" {
		podLabels["app.kubernetes.io/version"] = w.version
	}
	harden(&w.container)
	strategy := appsv1.DeploymentStrategy{
		Type:          appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))},
	}
	if w.singleton {
		strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: b.meta(b.child(w.component), w.component),
		Spec: appsv1.DeploymentSpec{
			Replicas:             ptr.To(w.replicas),
			RevisionHistoryLimit: ptr.To[int32](0), // the operator would revert a rollback
			Selector:             &metav1.LabelSelector{MatchLabels: selector},
			Strategy:             strategy,
			MinReadySeconds:      minReadySeconds(w),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{
					Labels:      podLabels,
					Annotations: map[string]string{v1alpha1.AnnotationCredentials: w.credentials},
				},
				Spec: corev1.PodSpec{
					ServiceAccountName:            b.child(w.component),
					AutomountServiceAccountToken:  ptr.To(false),
					EnableServiceLinks:            ptr.To(false), // OpenIM reads some bare environment variables
					TerminationGracePeriodSeconds: ptr.To(cmp.Or(w.graceSeconds, defaultGraceSeconds)),
					ImagePullSecrets:              references(w.pullSecrets),
					SecurityContext: &corev1.PodSecurityContext{
						RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(nobody), RunAsGroup: ptr.To(nobody), FSGroup: ptr.To(nobody),
						SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
					},
					TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
						MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
						LabelSelector: &metav1.LabelSelector{MatchLabels: selector},
					}},
					Containers: []corev1.Container{w.container},
					Volumes:    w.volumes,
				},
			},
		},
	}
}

// minReadySeconds delays the readiness of a process without a port: no probe can check it, so it must run for a while first.
func minReadySeconds(w workload) int32 {
	if w.container.ReadinessProbe == nil {
		return 5
	}
	return 0
}

func harden(c *corev1.Container) {
	c.SecurityContext = &corev1.SecurityContext{
		AllowPrivilegeEscalation: ptr.To(false),
		ReadOnlyRootFilesystem:   ptr.To(true),
		RunAsNonRoot:             ptr.To(true),
		Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		SeccompProfile:           &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

func containerPorts(c graph.Component) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	for _, p := range c.Ports {
		ports = append(ports, corev1.ContainerPort{Name: p.Name, ContainerPort: p.Number, Protocol: p.Protocol})
	}
	return ports
}

func httpProbe(path, port string, period, failures int32) *corev1.Probe {
	return &corev1.Probe{
		ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{
			Path: path, Port: intstr.FromString(port), Scheme: corev1.URISchemeHTTP,
		}},
		PeriodSeconds:    period,
		TimeoutSeconds:   3,
		FailureThreshold: failures,
		SuccessThreshold: 1,
	}
}

func references(refs []v1alpha1.LocalReference) []corev1.LocalObjectReference {
	var out []corev1.LocalObjectReference
	for _, r := range refs {
		out = append(out, corev1.LocalObjectReference{Name: r.Name})
	}
	return out
}
