//go:build e2e

package e2e

import "k8s.io/apimachinery/pkg/api/equality"

// equal compares two values as the API server would: an absent list is an empty one.
func equal(a, b any) bool { return equality.Semantic.DeepEqual(a, b) }
