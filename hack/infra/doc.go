// Package infra holds the manifests of the stores that the demo and the tests run in namespace infra. `kubectl apply -k hack/infra`
// uses the same files.
//
// It is pure: it reads embedded files and returns objects. Its callers apply them.
package infra
