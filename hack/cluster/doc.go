// Command cluster runs a real one-node Kubernetes for development and tests: every program of it is built
// from pinned source, no image registry and no prebuilt download is needed.
//
//	go run ./hack/cluster up              start it (seconds when built), or what of it has died
//	go run ./hack/cluster down            remove all of it but the caches; proves that nothing is left
//	go run ./hack/cluster status          what runs, and where its logs and the audit log are
//	go run ./hack/cluster load A.tar ...  import docker archives
//	go run ./hack/cluster kubeconfig      print the path of the kubeconfig for the host
//	go run ./hack/cluster assets          build and print the folder with what envtest needs
package main
