// Package harness drives a real cluster for the demo and the end-to-end suites: it applies manifests, waits for conditions by
// watching, runs the prober inside pods, forwards ports, and looks for what is left behind.
//
// It acts with the rights of the kubeconfig it is given and knows nothing of OpenIM. Rooms below it do: identity (administrators'
// tokens), chat (the way of a message), matrix (the truth table), auditlog (writes at the API server), setup (all that a demo needs).
// It never prints a Secret's value: what it keeps of logs is cleaned of them.
package harness
