package openim

import networkingv1 "k8s.io/api/networking/v1"

// Party is a server outside a stack to which components connect. OpenIM's stores have the names of their dependencies.
type Party string

// The parties, in the order in which they are resolved.
const (
	PartyKafka          = Party(Kafka)
	PartyRedis          = Party(Redis)
	PartyMongoDB        = Party(MongoDB)
	PartyEtcd           = Party(Etcd)
	PartyObjectStorage  = Party(ObjectStorage)
	PartyWrapperRedis   = Party(WrapperRedis)
	PartyWrapperMongoDB = Party("wrapper-mongodb")
	PartyJWKS           = Party("jwks")
	PartyTracing        = Party("tracing")
	PartyPush           = Party("push-vendor")
)

// PartyWebhooks returns the party of the webhooks of one process. Each has a place of its own, so that a process keeps the place of its
// earlier hooks until no pod calls them, while another process never gets it.
func PartyWebhooks(process Name) Party { return "webhooks-" + Party(process) }

// Parties returns all parties.
func Parties() []Party {
	all := []Party{
		PartyKafka, PartyRedis, PartyMongoDB, PartyEtcd, PartyObjectStorage,
		PartyWrapperRedis, PartyWrapperMongoDB, PartyJWKS, PartyTracing, PartyPush,
	}
	for _, process := range HookCallers() {
		all = append(all, PartyWebhooks(process))
	}
	return all
}

// Location is where the spec says that a party is, and what its addresses resolved to on the network. Passwords have no part in it.
type Location struct {
	Party Party
	// Source names the Secret or the object that holds the addresses. Empty when the addresses are in the spec.
	Source string
	// Unknown is true when what Source names could not be read: Addresses is then empty.
	Unknown bool
	// Peers that the spec names for addresses which are not known.
	Peers []networkingv1.NetworkPolicyPeer
	// Addresses of the party, each once.
	Addresses []Address
}

// Address is one address of a party.
type Address struct {
	// Text is host:port as the spec or the Secret has it.
	Text string
	// Peers that the spec names for the address, or none.
	Peers []networkingv1.NetworkPolicyPeer
	// Resolved is false when the endpoints are not known, or must not be used.
	Resolved bool
	// Endpoints on the network, empty unless Resolved.
	Endpoints []Endpoint
}

// Discard marks an address as not resolved.
func (a *Address) Discard() { a.Resolved, a.Endpoints = false, nil }
