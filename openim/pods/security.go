package pods

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// nobody is the user and group of all containers. Upstream's image names none and would run as root.
const nobody int64 = 65532

// SecurityContext returns the security context of a component's pods.
func SecurityContext() *corev1.PodSecurityContext {
	return &corev1.PodSecurityContext{
		RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To(nobody), RunAsGroup: ptr.To(nobody), FSGroup: ptr.To(nobody),
		SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
	}
}

// Harden sets what the restricted profile of pod security demands of a container, and a root file system that cannot be written, where the
// container says nothing else.
func Harden(c *corev1.Container) {
	if c.SecurityContext == nil {
		c.SecurityContext = &corev1.SecurityContext{}
	}
	s := c.SecurityContext
	if s.AllowPrivilegeEscalation == nil && !escalates(s) {
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

// escalates reports whether the API server refuses allowPrivilegeEscalation: false beside what a container asks for.
func escalates(s *corev1.SecurityContext) bool {
	return ptr.Deref(s.Privileged, false) || s.Capabilities != nil &&
		slices.ContainsFunc(s.Capabilities.Add, func(c corev1.Capability) bool { return c == "SYS_ADMIN" || c == "CAP_SYS_ADMIN" })
}
