package controllers

import (
	"fmt"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// securityConstraints is the kind by which OpenShift's admission chooses the users and groups of pods
// (docs.openshift.com, "Managing security context constraints").
var securityConstraints = schema.GroupVersionKind{Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraints"}

// PlatformUserIDs reports whether the cluster chooses the users and groups of pods: its API server has SecurityContextConstraints. An error
// says that the API server could not be asked.
func PlatformUserIDs(mapper apimeta.RESTMapper) (bool, error) {
	_, err := mapper.RESTMapping(securityConstraints.GroupKind(), securityConstraints.Version)
	switch {
	case err == nil:
		return true, nil
	case apimeta.IsNoMatchError(err):
		return false, nil
	default:
		return false, fmt.Errorf("asking the API server for %s: %w", securityConstraints.GroupKind(), err)
	}
}
