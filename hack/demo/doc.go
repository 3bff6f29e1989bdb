// Command demo shows the operator on a real cluster with a real OpenIM: one OpenIMStack becomes ready, a message travels from user to
// user through the gateway, and every connection that the graph does not name is refused.
//
//	go run ./hack/demo                      set up what is missing, run the demo, and leave everything running
//	go run ./hack/demo --transcript FILE    write the demo's page to FILE as well: docs/demo.md
//	go run ./hack/demo --down               remove everything, including the local cluster
//	go run ./hack/demo --down --keep        remove everything but the local cluster
//
// It ends with "demo: PASS", or names the step or cell that failed and the artifacts to check. Package hack/environment/setup holds the
// environment.
package main
