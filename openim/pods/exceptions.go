package pods

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Exception is what a template asks for beyond what a stack needs.
type Exception struct {
	// Name is ExtraContainer or PodSecurityLowered, the component or group that the template is for (all: every component), and the name of
	// the container: ExtraContainer/rpc/agent, PodSecurityLowered/all.
	Name string
	// Field of the spec.
	Field string
	// Lets states what the template does.
	Lets string
}

// Kinds of exceptions, which start their names.
const (
	ExtraContainer     = "ExtraContainer"
	PodSecurityLowered = "PodSecurityLowered"
)

// Exceptions returns the exceptions of all templates of a spec, in its order. Templates with refused fields reach no pod and are none. One
// that is refused for a Secret has exceptions: pods have it when they run since before the Secret was the stack's.
func Exceptions(spec *v1alpha1.Pods) []Exception {
	if len(refusedFields(spec)) > 0 {
		return nil
	}
	var found []Exception
	for _, layer := range Layers(spec) {
		var template corev1.PodTemplateSpec
		if json.Unmarshal(layer.raw, &template) != nil {
			continue
		}
		pod := template.Spec
		for _, list := range []struct {
			field      string
			containers []corev1.Container
		}{{"containers", pod.Containers}, {"initContainers", pod.InitContainers}} {
			for _, c := range list.containers {
				if c.Name == Own || list.field == "containers" && c.Name == ContainerOf(layer.Name) {
					continue
				}
				found = append(found, Exception{
					Name:  ExtraContainer + "/" + layer.Name + "/" + shorten(c.Name),
					Field: fmt.Sprintf("%s.spec.%s[%s]", layer.Field, list.field, shorten(c.Name)),
					Lets: fmt.Sprintf("container %s with image %s runs in the pods of %s, in their network",
						shorten(c.Name), shorten(c.Image), describe(layer.Name)),
				})
			}
		}
		if lowered := lowers(pod); len(lowered) > 0 {
			found = append(found, Exception{
				Name: PodSecurityLowered + "/" + layer.Name, Field: layer.Field + ".spec",
				Lets: fmt.Sprintf("pods of %s run with %s", describe(layer.Name), strings.Join(lowered[:min(len(lowered), maxRefusals)], ", ")),
			})
		}
	}
	return found
}

// describe names the components of a template.
func describe(layer string) string {
	switch v1alpha1.PodsName(layer) {
	case all:
		return "every component"
	case v1alpha1.GroupOpenIM:
		return "OpenIM's processes"
	case v1alpha1.GroupRPC:
		return "the rpc services"
	case v1alpha1.GroupWrapper:
		return "gateway and backend"
	default:
		return layer
	}
}

// lowers returns what of a template is below the restricted profile of pod security (kubernetes.io/docs/concepts/security/
// pod-security-standards), or makes a root file system writable. Volumes and privileges need no look: what the profile forbids of them is
// refused. What is left lets an attacker try more against the kernel, but gives no access to the node by itself.
func lowers(pod corev1.PodSpec) []string {
	var found []string
	if s := pod.SecurityContext; s != nil {
		found = append(found, identity("the pod's", s.RunAsNonRoot, s.RunAsUser, s.SeccompProfile, s.AppArmorProfile, s.SELinuxOptions)...)
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		found = append(found, lowersOf(c)...)
	}
	return found
}

func lowersOf(c corev1.Container) []string {
	var found []string
	whose := shorten(c.Name) + "'s"
	if callsHosts(c) {
		found = append(found, whose+" probes or hooks to another host")
	}
	s := c.SecurityContext
	if s == nil {
		return found
	}
	found = append(found, identity(whose, s.RunAsNonRoot, s.RunAsUser, s.SeccompProfile, s.AppArmorProfile, s.SELinuxOptions)...)
	add := func(lowered bool, text string) {
		if lowered {
			found = append(found, whose+" "+text)
		}
	}
	add(ptr.Deref(s.AllowPrivilegeEscalation, false), "allowPrivilegeEscalation: true")
	add(!ptr.Deref(s.ReadOnlyRootFilesystem, true), "readOnlyRootFilesystem: false")
	if s.Capabilities != nil {
		add(s.Capabilities.Drop != nil && !slices.Contains(s.Capabilities.Drop, "ALL"), "capabilities.drop without ALL")
	}
	return found
}

// identity returns what pods and containers can lower alike.
func identity(
	whose string, nonRoot *bool, user *int64, seccomp *corev1.SeccompProfile, appArmor *corev1.AppArmorProfile, selinux *corev1.SELinuxOptions,
) []string {
	var found []string
	add := func(lowered bool, text string) {
		if lowered {
			found = append(found, whose+" "+text)
		}
	}
	add(!ptr.Deref(nonRoot, true), "runAsNonRoot: false")
	add(user != nil && *user == 0, "runAsUser: 0")
	add(seccomp != nil && seccomp.Type == corev1.SeccompProfileTypeUnconfined, "seccompProfile Unconfined")
	add(appArmor != nil && appArmor.Type == corev1.AppArmorProfileTypeUnconfined, "appArmorProfile Unconfined")
	confined := []string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
	add(selinux != nil && (selinux.User != "" || selinux.Role != "" || !slices.Contains(confined, selinux.Type)), "seLinuxOptions")
	return found
}

// callsHosts reports whether a probe or a hook makes the kubelet call another address than the pod's.
func callsHosts(c corev1.Container) bool {
	for _, p := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
		if p != nil && (p.HTTPGet != nil && p.HTTPGet.Host != "" || p.TCPSocket != nil && p.TCPSocket.Host != "") {
			return true
		}
	}
	if c.Lifecycle == nil {
		return false
	}
	for _, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
		if h != nil && (h.HTTPGet != nil && h.HTTPGet.Host != "" || h.TCPSocket != nil && h.TCPSocket.Host != "") {
			return true
		}
	}
	return false
}
