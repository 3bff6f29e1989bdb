// Package dependencies turns the references of an OpenIMStack (Kafka, Redis, MongoDB, etcd, object storage, Secrets) into
// facts: addresses, credentials as environment variables, hashes that change with them, and places on the network.
//
// It reads the cluster and writes nothing. What does not resolve becomes a Problem with the field and the remedy; no
// Problem ever holds a secret.
package dependencies
