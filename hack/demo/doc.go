// Command demo shows the promise on a real cluster, with a real OpenIM: one OpenIMStack comes up, a message travels from user to
// user through the gateway, and an intruder gets nowhere.
//
//	go run ./hack/demo                 set up what is missing, show, and leave it running
//	go run ./hack/demo --down          remove everything, the local cluster among it
//	go run ./hack/demo --down --keep   remove everything but the local cluster
//
// It ends with "demo: PASS", or says which step or cell broke and where to look. What it sets up is in hack/environment/setup.
package main
