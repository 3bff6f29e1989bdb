package controllers

import (
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// componentOf returns the component that a child belongs to.
func componentOf(child client.Object) string { return child.GetLabels()[v1alpha1.LabelComponent] }

// complete reports whether a Deployment runs the pods of its current template alone, and all of them are available.
func complete(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration >= d.Generation && d.Spec.Replicas != nil &&
		s.UpdatedReplicas == *d.Spec.Replicas && s.Replicas == s.UpdatedReplicas && s.AvailableReplicas == s.UpdatedReplicas
}

// upToDate returns the number of available replicas of the current template.
func upToDate(d *appsv1.Deployment) int32 {
	if d.Status.ObservedGeneration < d.Generation {
		return 0
	}
	return min(d.Status.UpdatedReplicas, d.Status.AvailableReplicas)
}
