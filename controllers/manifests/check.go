package manifests

import (
	"path"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

// CheckOptions are what differs between the runs of a check.
type CheckOptions struct {
	// Run names the run, which differs from each other one.
	Run string
	// Image of the wrapper when the spec names none.
	Image string
	// Release of OpenIM whose routes are asked for, as a tag.
	Release string
	// Socket is true when the policies let the check reach msggateway.
	Socket bool
}

// Check returns the objects of one run of the check of OpenIM. Its pod has the backend's configuration and share.secret, and none of the
// backend's other credentials. The check is an init container, so that the pod's status holds its result and one pod makes it once; the
// other container waits. A stack that is not checked has none of them.
func Check(stack *v1alpha1.OpenIMStack, facts openim.Facts, options CheckOptions) ([]client.Object, error) {
	mode := graph.CheckOf(stack)
	if mode == v1alpha1.CheckNone {
		return nil, nil
	}
	b := builder{stack: stack, facts: facts, options: Options{WrapperImage: options.Image}, rendered: map[string]Rendered{}}
	component := b.component(v1alpha1.ComponentCheck)
	backend, file, err := b.backend()
	if err != nil {
		return nil, err
	}
	if file.OpenIM.Release != "" {
		file.OpenIM.Release = options.Release
	}
	backend.component, backend.config, backend.mounts = component, file, backend.mounts.only(shareVolume, previousShareVolume)
	if err := b.addRole(backend); err != nil {
		return nil, err
	}
	args := []string{
		"check", "--config", path.Join(wrapperDir, "config", wrapperConfigFile), "--attempts", "2",
		"--termination-log", corev1.TerminationMessagePathDefault,
	}
	if options.Socket && stack.Spec.Wrapper.Auth.Users != nil {
		args = append(args, "--mode", string(mode), "--socket", "ws://"+b.address(string(openim.MsgGateway), string(openim.WebSocket)))
	}
	r := b.rendered[component.Name]
	checkPod(&r.Template, args, options.Run)
	if r.Template, err = pods.Merge(stack.Spec.Pods, component.Name, r.Template); err != nil {
		return nil, err
	}
	objects := Workload(stack, component.Name, r, "")
	for _, object := range objects {
		if d, ok := object.(*appsv1.Deployment); ok {
			d.Spec.Strategy = appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType}
			d.Spec.MinReadySeconds = 0
		}
	}
	return objects, nil
}

// checkPod makes a template of the wrapper one of the check.
func checkPod(template *corev1.PodTemplateSpec, args []string, run string) {
	check := &template.Spec.Containers[0]
	check.StartupProbe, check.ReadinessProbe, check.LivenessProbe, check.Ports = nil, nil, nil, nil
	idle := *check.DeepCopy()
	idle.Name, idle.Args, idle.VolumeMounts = "idle", []string{"check", "--wait"}, nil
	check.Args = args
	template.Spec.InitContainers, template.Spec.Containers = []corev1.Container{*check}, []corev1.Container{idle}
	metav1.SetMetaDataAnnotation(&template.ObjectMeta, v1alpha1.AnnotationCheck, run)
}

// only returns the mounts of the named volumes.
func (m *mounts) only(names ...string) *mounts {
	return &mounts{
		volumes: slices.DeleteFunc(slices.Clone(m.volumes), func(v corev1.Volume) bool { return !slices.Contains(names, v.Name) }),
		mounts:  slices.DeleteFunc(slices.Clone(m.mounts), func(v corev1.VolumeMount) bool { return !slices.Contains(names, v.Name) }),
	}
}
