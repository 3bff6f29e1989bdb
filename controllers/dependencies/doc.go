// Package dependencies resolves the references of an OpenIMStack (Kafka, Redis, MongoDB, etcd, object storage, Secrets) to facts:
// addresses, credentials as environment variables, hashes that change with the credentials, and NetworkPolicy peers.
//
// It reads the cluster and writes nothing. A reference that does not resolve becomes a Problem with the field and the remedy. No Problem
// ever holds a secret.
package dependencies
