// Command cluster runs a real one-node Kubernetes for development and tests. Its programs are built from pinned source; it needs no image
// registry and no prebuilt download.
//
//	go run ./hack/cluster up              start the cluster (seconds when built), or restart processes that ended
//	go run ./hack/cluster down            remove everything but the caches; fails if anything is left
//	go run ./hack/cluster status          show the processes, their logs and the API server's audit log
//	go run ./hack/cluster load A.tar ...  import docker archives
//	go run ./hack/cluster enforcement off stop the enforcement of NetworkPolicies; on starts it again
//	go run ./hack/cluster kubeconfig      print the path of the kubeconfig for the host
//	go run ./hack/cluster assets          build what envtest needs and print its folder
package main
