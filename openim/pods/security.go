package pods

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// nobody is the user and group of all containers. Upstream's image names none and would run as root.
const nobody int64 = 65532

// SecurityContext returns the security context of a component's pods. Where the platform chooses users and groups, it has none: a pod that
// names others than those of its namespace is refused there.
func SecurityContext(ids v1alpha1.UserIDs) *corev1.PodSecurityContext {
	context := &corev1.PodSecurityContext{
		RunAsNonRoot:   ptr.To(true),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
	if ids != v1alpha1.UserIDsPlatform {
		context.RunAsUser, context.RunAsGroup, context.FSGroup = ptr.To(nobody), ptr.To(nobody), ptr.To(nobody)
	}
	return context
}

// Harden sets what the restricted profile of pod security demands of a container, and a root file system that cannot be written, where the
// container says nothing else.
func Harden(c *corev1.Container) {
	if c.SecurityContext == nil {
		c.SecurityContext = &corev1.SecurityContext{}
	}
	s := c.SecurityContext
	if s.AllowPrivilegeEscalation == nil {
		s.AllowPrivilegeEscalation = ptr.To(false)
	}
	if s.ReadOnlyRootFilesystem == nil {
		s.ReadOnlyRootFilesystem = ptr.To(true)
	}
	if s.RunAsNonRoot == nil {
		s.RunAsNonRoot = ptr.To(true)
	}
	if s.Capabilities == nil {
		s.Capabilities = &corev1.Capabilities{}
	}
	if s.Capabilities.Drop == nil {
		s.Capabilities.Drop = []corev1.Capability{"ALL"}
	}
	if s.SeccompProfile == nil {
		s.SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}
	}
}

// onlyCapability is the one that the restricted profile of pod security lets a container add: to listen on ports below 1024.
const onlyCapability = "NET_BIND_SERVICE"

// privilege returns why a field of a container's security context is refused, "" when it is not. A privileged container, or one with
// capabilities such as SYS_ADMIN or NET_ADMIN, mounts the disk of its node, reads other containers, and removes the rules by which policies
// are enforced: whatever else a template is refused would be within its reach.
func privilege(field string, value any) string {
	switch field {
	case "privileged":
		if value != false {
			return "a privileged container controls the node, and past it the network that the policies seal: remove it"
		}
	case "procMount":
		if value != string(corev1.DefaultProcMount) {
			return "it opens the settings of the kernel in /proc: remove it, or write Default"
		}
	case "capabilities.add[]":
		if value != onlyCapability {
			return "a capability can reach the node or change the network of the pod: remove all but " + onlyCapability
		}
	}
	return ""
}

// privileged reports whether a container has what privilege refuses.
func privileged(c corev1.Container) bool {
	s := c.SecurityContext
	if s == nil {
		return false
	}
	more := func(c corev1.Capability) bool { return c != onlyCapability }
	return ptr.Deref(s.Privileged, false) || ptr.Deref(s.ProcMount, corev1.DefaultProcMount) != corev1.DefaultProcMount ||
		s.WindowsOptions != nil || s.Capabilities != nil && slices.ContainsFunc(s.Capabilities.Add, more)
}
