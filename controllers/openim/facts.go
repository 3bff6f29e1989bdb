package openim

import (
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
}

// Endpoint is a place on the network: pods or address blocks, and a port as the pods see it.
type Endpoint struct {
	Peers []networkingv1.NetworkPolicyPeer
	Port  int32
}
