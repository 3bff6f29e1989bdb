package openim

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Facts hold what a stack's references resolve to. Configuration, Deployments and NetworkPolicies are built from them.
type Facts struct {
	// Settings of OpenIM's configuration.
	Settings Settings
	// Locations of all parties that the spec names, resolved or not. Endpoints below repeat what resolved.
	Locations []Location
	// Endpoints of each store on the network.
	Endpoints map[Dependency][]Endpoint
	// Credentials are the environment variables that carry secrets, by the store they belong to.
	Credentials map[Dependency][]corev1.EnvVar
	// CredentialHashes change when the secrets of Credentials change, by store. They reveal nothing about the secrets.
	CredentialHashes map[Dependency]string
	// Files are the keys of Secrets that processes read as files, by the store they belong to. CredentialHashes change with them.
	Files map[Dependency][]StoreFile `json:",omitempty"`
	// ShareSecret is the key of the Secret that holds OpenIM's share.secret.
	ShareSecret corev1.SecretKeySelector
	// ShareSecretHash changes when the share.secret changes.
	ShareSecretHash string
	// PreviousShareSecret is the key of the Secret that ShareSecret replaces, while it does: the backend has both. Else nil.
	PreviousShareSecret *corev1.SecretKeySelector `json:",omitempty"`
	// PreviousShareSecretHash changes when the previous share.secret changes.
	PreviousShareSecretHash string `json:",omitempty"`
	// ShareSecretWaits is true while not all backends know ShareSecret: openim-rpc-auth keeps the previous one.
	ShareSecretWaits bool `json:",omitempty"`
	// AssertionKey is the key of the Secret with which the gateway signs assertions for the backend.
	AssertionKey corev1.SecretKeySelector
	// Copies are the Secrets that the operator makes for resourceRefs. They alone hold values of Secrets, and are taken out of the facts once
	// they are written.
	Copies []SecretCopy `json:"-"`
	// Bound are the fields of the resourceRefs that lead to a Secret of the stack's namespace, by name of the Secret. Templates must not read
	// what an object of another operator names, though the spec does not name it.
	Bound map[string][]string `json:",omitempty"`
	// Elsewhere are the Secrets of other namespaces that were read, whether they exist or not.
	Elsewhere []types.NamespacedName `json:",omitempty"`
	// Secrets of the stack's namespace and Services of any namespace that were read, whether they exist or not. A change of one of them
	// may change the facts.
	Secrets  []string
	Services []types.NamespacedName
	// AssertionKeyHash changes when the assertion key changes.
	AssertionKeyHash string
	// Claims are the parts of stores that the stack must not share.
	Claims []Claim
	// Wrapper holds what the wrapper's references resolve to.
	Wrapper WrapperFacts
	// Push holds what the references of spec.push resolve to.
	Push PushFacts `json:",omitzero"`
	// Trust holds the authorities of spec.pods.trust.
	Trust TrustFacts `json:",omitzero"`
	// ConfigMaps of the stack's namespace that were read, whether they exist or not. A change of one of them may change the facts.
	ConfigMaps []string `json:",omitempty"`
	// PlatformUserIDs is true where the cluster chooses the users and groups of pods: the default of spec.pods.userIDs.
	PlatformUserIDs bool `json:",omitempty"`
	// Webhooks are the endpoints of the hooks of each process that calls any. None where spec.network.extraEgress leads to them.
	Webhooks map[Name][]Endpoint `json:",omitempty"`
}

// SecretCopy is a Secret with what a resourceRef leads to. Its name changes with its content.
type SecretCopy struct {
	Name string
	// Store for which it is made, for example kafka.
	Store string
	// From is the value of the annotation openimstack.dev/copied-from, "" for none.
	From string
	// Readers are the components that use it.
	Readers []string
	Data    map[string][]byte
}

// PushFacts hold the credentials and the place of the push vendor. They are empty without spec.push.
type PushFacts struct {
	// Credentials are the environment variables that carry the vendor's keys.
	Credentials []corev1.EnvVar `json:",omitempty"`
	// File is the key of the Secret with the file of FCM's service account, or nil.
	File *corev1.SecretKeySelector `json:",omitempty"`
	// Hash changes when the credentials or the file change. It reveals nothing about them.
	Hash string `json:",omitempty"`
	// Endpoints of the vendor on the network. None when spec.network.extraEgress leads to the vendor.
	Endpoints []Endpoint `json:",omitempty"`
}

// ShareSecretOfOpenIM returns the key of the Secret with the share.secret that openim-rpc-auth has, and its hash.
func (f *Facts) ShareSecretOfOpenIM() (corev1.SecretKeySelector, string) {
	if f.ShareSecretWaits && f.PreviousShareSecret != nil {
		return *f.PreviousShareSecret, f.PreviousShareSecretHash
	}
	return f.ShareSecret, f.ShareSecretHash
}

// ForTemplates returns the facts from which pod templates and configuration files are made, and Bound, which stays closed to templates
// while a run revision has it. They hold no secret value, and can be written as JSON and read again. The rest of the facts decides about
// NetworkPolicies and conditions alone.
func (f Facts) ForTemplates() Facts {
	f.Locations, f.Endpoints, f.Secrets, f.ConfigMaps, f.Services, f.Claims = nil, nil, nil, nil, nil, nil
	f.Push.Endpoints, f.Webhooks = nil, nil
	f.Copies, f.Elsewhere = nil, nil
	w := &f.Wrapper
	w.LoginKeys, w.Certificate, w.Tracing, w.Redis.Endpoints, w.MongoDB.Endpoints = nil, nil, nil, nil, nil
	sets := make([]KeySet, 0, len(w.KeySets))
	for _, set := range w.KeySets {
		set.Endpoints = nil
		sets = append(sets, set)
	}
	w.KeySets = sets
	return f
}

// WrapperFacts hold the wrapper's stores and the servers that it calls besides OpenIM. A field that the spec does not use is empty.
type WrapperFacts struct {
	// Redis and MongoDB are the wrapper's stores. Empty unless users may log in.
	Redis, MongoDB WrapperStore
	// LoginSecret is the Secret with the static keys for logins. The backend holds these keys, and clients recognise the gateway by them.
	// LoginKeys are the fingerprints of the keys.
	LoginSecret string
	LoginKeys   []string
	// Certificate of the gateway, or nil.
	Certificate *Certificate
	// CustodyKey is the key of the Secret with which the backend encrypts OpenIM's tokens and codes, and seals sessions and tickets.
	CustodyKey corev1.SecretKeySelector
	// KeySets are the issuers' public keys, in the order of the spec. Gateway and backend both read them.
	KeySets []KeySet
	// Tracing holds the endpoints of the collector on the network.
	Tracing []Endpoint
}

// WrapperStore is a store of the wrapper. Its credentials are in mounted files, which are read again after a change.
type WrapperStore struct {
	// Addresses, host:port. Empty when URI names the store.
	Addresses []string
	// Database in MongoDB, and the database in which the user is looked up. An empty AuthSource means Database.
	Database, AuthSource string
	// Number of the database in Redis.
	Number int32
	// Cluster is true for a Redis Cluster behind one address.
	Cluster bool `json:",omitempty"`
	// URI, Username, Password and CA are keys of Secrets, or nil.
	URI, Username, Password, CA *corev1.SecretKeySelector
	// TLS is true when the connection is encrypted.
	TLS bool
	// Options of the connection string of MongoDB, name=value joined by &, besides those of URI.
	Options string `json:",omitempty"`
	// Files that Options name, in the folder WrapperFilesDir, and a hash that changes with them: they are read once, at start.
	Files     []StoreFile `json:",omitempty"`
	FilesHash string      `json:",omitempty"`
	// Endpoints of the store on the network.
	Endpoints []Endpoint
}

// KeySet is the source of an issuer's public keys: File, or the URL of the spec.
type KeySet struct {
	// File is the key of the Secret with the set, or nil when the set is fetched.
	File *corev1.SecretKeySelector
	// CA is the key of the Secret with the authorities of the URL's server, or nil for the public authorities.
	CA *corev1.SecretKeySelector
	// Endpoints of the server on the network.
	Endpoints []Endpoint
}

// Endpoint is a destination on the network: pods or blocks of addresses, and a port of the pods.
type Endpoint struct {
	Peers []networkingv1.NetworkPolicyPeer `json:"peers"`
	Port  int32                            `json:"port"`
}

// Certificate describes the gateway's certificate and key.
type Certificate struct {
	// Invalid is the reason why the pair cannot be used. Empty for a valid pair.
	Invalid string
	// NotBefore and NotAfter bound the validity of the certificate.
	NotBefore, NotAfter time.Time
}
