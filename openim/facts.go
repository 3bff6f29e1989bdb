package openim

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Facts are what a stack's references resolved to. Configuration, Deployments and NetworkPolicies are built from them.
type Facts struct {
	// Settings of OpenIM's configuration.
	Settings Settings
	// Endpoints are where each store is on the network.
	Endpoints map[Dependency][]Endpoint
	// Credentials are the environment variables that carry secrets, by the store they belong to.
	Credentials map[Dependency][]corev1.EnvVar
	// CredentialHashes change when the secrets behind Credentials do, by store. They tell nothing of the secrets.
	CredentialHashes map[Dependency]string
	// ShareSecret is the key of the Secret that holds OpenIM's share.secret.
	ShareSecret corev1.SecretKeySelector
	// ShareSecretHash changes when the share.secret does.
	ShareSecretHash string
	// AssertionKey is the key of the Secret with which the gateway signs what it tells the backend.
	AssertionKey corev1.SecretKeySelector
	// Secrets of the stack's namespace and Services of any which were read, existing or not. A change of one may change the
	// facts.
	Secrets  []string
	Services []types.NamespacedName
	// AssertionKeyHash changes when the assertion key does.
	AssertionKeyHash string
	// Claims are what the stack must have to itself in its stores.
	Claims []Claim
	// Wrapper is what the wrapper's own references resolved to.
	Wrapper WrapperFacts
}

// WrapperFacts are what the wrapper keeps its state in and whom it calls besides OpenIM. What the spec does not ask for is empty.
type WrapperFacts struct {
	// Redis and MongoDB are the wrapper's stores. Empty unless users may log in.
	Redis, MongoDB Store
	// LoginSecret is the Secret whose keys are the static keys for logins, which the backend holds and by which clients recognise the
	// gateway. LoginKeys are the fingerprints of those.
	LoginSecret string
	LoginKeys   []string
	// Certificate is the gateway's; nil when there is none.
	Certificate *Certificate
	// CustodyKey is the key of the Secret with which the backend encrypts OpenIM's tokens and codes, and seals sessions and tickets.
	CustodyKey corev1.SecretKeySelector
	// KeySets are the issuers' public keys, in the order of the spec. Gateway and backend both read them.
	KeySets []KeySet
	// Tracing is where the collector is on the network.
	Tracing []Endpoint
}

// Store is a store of the wrapper's. Its credentials are read from mounted files, and read again when they change.
type Store struct {
	// Addresses, host:port. Empty when URI names the store.
	Addresses []string
	// Database of MongoDB's, and the one in which the user is looked up; empty: the same.
	Database, AuthSource string
	// Number of Redis' database.
	Number int32
	// URI, Username, Password and CA are keys of Secrets; nil when there is none.
	URI, Username, Password, CA *corev1.SecretKeySelector
	// TLS is true when the connection is encrypted.
	TLS bool
	// Endpoints are where it is on the network.
	Endpoints []Endpoint
}

// KeySet is where an issuer's public keys are: File, or the URL of the spec.
type KeySet struct {
	// File is the key of the Secret that holds the set; nil when it is fetched.
	File *corev1.SecretKeySelector
	// CA vouches for the server of the URL; nil for the well-known authorities.
	CA *corev1.SecretKeySelector
	// Endpoints are where the server is on the network.
	Endpoints []Endpoint
}

// Endpoint is a place on the network: pods or address blocks, and a port as the pods see it.
type Endpoint struct {
	Peers []networkingv1.NetworkPolicyPeer
	Port  int32
}

// Certificate is what is known of the gateway's pair of certificate and key.
type Certificate struct {
	// Invalid says why the pair can serve nobody. Empty when it can.
	Invalid string
	// NotBefore and NotAfter bound the time in which clients take the certificate.
	NotBefore, NotAfter time.Time
}
