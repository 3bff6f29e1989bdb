// Package v1alpha1 holds the OpenIMStack API of group openimstack.dev: types, CEL rules, condition and reason names,
// and the labels that every child carries. It imports apimachinery alone and contains no logic beyond accessors.
//
// Defaults are not stored: a field that is absent stays absent, and its effective value is decided in memory
// (a stored default shows up as a difference in GitOps tools).
//
// +kubebuilder:object:generate=true
// +groupName=openimstack.dev
//
//go:generate go run ../../hack/conditiondocs conditions.go ../../docs/conditions.md
package v1alpha1
