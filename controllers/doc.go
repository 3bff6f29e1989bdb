// Package controllers is the reconcile loop of OpenIMStack: it resolves the stack's references, builds the children, applies them in order,
// and writes what it observed to the status.
//
// Each phase (phases.go) does one thing and records its result in the scope of the reconciliation (scope.go). The packages below do the
// work: dependencies resolves references, manifests builds children, apply writes them, prober verifies the lockdown. None of them calls
// back.
package controllers
