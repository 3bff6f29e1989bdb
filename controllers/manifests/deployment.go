package manifests

import (
	"cmp"
	"maps"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

// defaultGraceSeconds is Kubernetes' own default.
const defaultGraceSeconds int64 = 30

// workload is what differs between the pods of a stack.
type workload struct {
	component graph.Component
	container corev1.Container
	// init are the containers that run first.
	init        []corev1.Container
	volumes     []corev1.Volume
	pullSecrets []v1alpha1.LocalReference
	// credentials is a hash of all secrets that the pod reads once, at start.
	credentials string
	version     string
	// graceSeconds that a pod has to stop. Default 30.
	graceSeconds int64
}

// minReadySeconds that a pod must be ready before an old one goes. It also bounds how fast a process without a probe is trusted.
const minReadySeconds int32 = 10

// deployment returns a component's Deployment around a pod template. A new pod comes before an old one goes, except for a process of
// which two must not run, or not with both templates.
func (b *builder) deployment(c graph.Component, r Rendered) *appsv1.Deployment {
	strategy := appsv1.DeploymentStrategy{
		Type:          appsv1.RollingUpdateDeploymentStrategyType,
		RollingUpdate: &appsv1.RollingUpdateDeployment{MaxUnavailable: ptr.To(intstr.FromInt32(0)), MaxSurge: ptr.To(intstr.FromInt32(1))},
	}
	if process, ok := openim.Lookup(openim.Name(c.Name)); ok && process.Singleton || r.Recreate {
		strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
	}
	upgrade, size, meta := ptr.Deref(b.stack.Spec.Upgrade, v1alpha1.Upgrade{}), b.size(c), b.meta(b.child(c), c)
	if size.initial {
		meta.Annotations = map[string]string{v1alpha1.AnnotationInitialReplicas: strconv.Itoa(int(size.replicas))}
	}
	return &appsv1.Deployment{
		TypeMeta:   metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"},
		ObjectMeta: meta,
		Spec: appsv1.DeploymentSpec{
			Replicas:             ptr.To(size.replicas),
			RevisionHistoryLimit: ptr.To[int32](0), // the operator would revert a rollback
			Selector:             &metav1.LabelSelector{MatchLabels: c.Labels(b.stack.Name)},
			Strategy:             strategy,
			MinReadySeconds:      minReadySeconds,
			// A wave has the same time: what takes longer fails for both at once.
			ProgressDeadlineSeconds: ptr.To(ptr.Deref(upgrade.WaveTimeoutSeconds, v1alpha1.DefaultWaveTimeoutSeconds)),
			Template:                r.Template,
		},
	}
}

// template returns a pod template that is hardened like all others: restricted pod security, no token, no environment of other Services.
func (b *builder) template(w workload) corev1.PodTemplateSpec {
	selector := w.component.Labels(b.stack.Name)
	podLabels := CommonLabels(b.stack.Name)
	maps.Copy(podLabels, selector)
	if w.version != "" {
		podLabels[v1alpha1.LabelVersion] = w.version
	}
	pods.Harden(&w.container)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{
			Labels:      podLabels,
			Annotations: credentialsOf(w),
		},
		Spec: corev1.PodSpec{
			ServiceAccountName:            b.child(w.component),
			AutomountServiceAccountToken:  ptr.To(false),
			EnableServiceLinks:            ptr.To(false), // OpenIM reads some bare environment variables
			TerminationGracePeriodSeconds: ptr.To(cmp.Or(w.graceSeconds, defaultGraceSeconds)),
			ImagePullSecrets:              references(pods.PullSecrets(b.stack.Spec.Pods, w.pullSecrets)),
			SecurityContext:               pods.SecurityContext(b.stack.Spec.Pods.EffectiveUserIDs(b.facts.PlatformUserIDs)),
			TopologySpreadConstraints: []corev1.TopologySpreadConstraint{{
				MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway,
				LabelSelector: &metav1.LabelSelector{MatchLabels: selector},
			}},
			InitContainers: w.init,
			Containers:     []corev1.Container{w.container},
			Volumes:        w.volumes,
		},
	}
}

// credentialsOf returns the annotation that restarts the pods when a secret changes. A pod that reads none has no annotation.
func credentialsOf(w workload) map[string]string {
	if w.credentials == "" {
		return nil
	}
	return map[string]string{v1alpha1.AnnotationCredentials: w.credentials}
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
