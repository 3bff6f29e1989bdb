// Package infra holds the manifests of the stores that OpenIM needs, as the demo and the tests run them in namespace infra.
// The same files serve `kubectl apply -k hack/infra`.
//
// It is pure: it reads what is embedded and gives objects; others apply them.
package infra
