package termination

import (
	"fmt"
	"slices"
)

// StoreReason is the reason for which a store cannot be used.
type StoreReason string

// Reasons of a StoreFailure.
const (
	// AuthenticationFailed: the store refuses the credentials.
	AuthenticationFailed StoreReason = "AuthenticationFailed"
	// PermissionDenied: the user may not do what the process needs.
	PermissionDenied StoreReason = "PermissionDenied"
	// TLSRequired: the store accepts TLS alone.
	TLSRequired StoreReason = "TLSRequired"
	// CertificateNotTrusted: the store's certificate is of another authority, for another name, or has expired.
	CertificateNotTrusted StoreReason = "CertificateNotTrusted"
	// WrongMode: a Redis cluster behind the settings of a single server, or the reverse.
	WrongMode StoreReason = "WrongMode"
	// UnsupportedMechanism: Kafka does not offer the SASL mechanism.
	UnsupportedMechanism StoreReason = "UnsupportedMechanism"
	// TopicMissing: a topic of Kafka is missing and is not created.
	TopicMissing StoreReason = "TopicMissing"
	// TopicDiffers: a topic of Kafka has fewer partitions or copies than the spec asks for.
	TopicDiffers StoreReason = "TopicDiffers"
	// BucketMissing: the bucket of a cloud's object store does not exist, or is in another region.
	BucketMissing StoreReason = "BucketMissing"
	// UnexpectedProtocol: what answers at the address is not this store.
	UnexpectedProtocol StoreReason = "UnexpectedProtocol"
	// Unreachable: no connection, or no answer.
	Unreachable StoreReason = "Unreachable"
	// NoLeader: etcd or a partition of Kafka has no leader.
	NoLeader StoreReason = "NoLeader"
	// NoPrimary: the MongoDB replica set has no primary.
	NoPrimary StoreReason = "NoPrimary"
	// Loading: Redis reads its data from disk.
	Loading StoreReason = "Loading"
)

var (
	// waiting reasons end by themselves, the others need a person.
	waiting      = []StoreReason{Unreachable, NoLeader, NoPrimary, Loading}
	storeReasons = append([]StoreReason{
		AuthenticationFailed, PermissionDenied, TLSRequired, CertificateNotTrusted, WrongMode, UnsupportedMechanism, TopicMissing,
		TopicDiffers, BucketMissing, UnexpectedProtocol,
	}, waiting...)
)

// Terminal reports whether only a person can solve the failure: another credential, permission or setting.
func (r StoreReason) Terminal() bool {
	return slices.Contains(storeReasons, r) && !slices.Contains(waiting, r)
}

// StoreReasons returns all reasons.
func StoreReasons() []StoreReason { return slices.Clone(storeReasons) }

// StoreName names a store as the operator's catalogue does.
type StoreName string

// The stores.
const (
	Etcd          StoreName = "etcd"
	Redis         StoreName = "redis"
	MongoDB       StoreName = "mongodb"
	Kafka         StoreName = "kafka"
	ObjectStorage StoreName = "object-storage"
	WrapperRedis  StoreName = "wrapper-redis"
)

var storeNames = []StoreName{Etcd, Redis, MongoDB, Kafka, ObjectStorage, WrapperRedis}

// StoreFailure describes why one store cannot be used.
type StoreFailure struct {
	Store  StoreName   `json:"store"`
	Reason StoreReason `json:"reason"`
	// Message is one sentence of at most 256 bytes, without secrets. Encode and DecodePreflight remove control characters and cut it.
	Message string `json:"message,omitempty"`
}

// Preflight lists the stores that a start could not use. Each store occurs at most once.
type Preflight struct {
	// V is the version of the format. Encode sets it.
	V      int            `json:"v"`
	Stores []StoreFailure `json:"stores"`
}

// Encode returns the termination message. It fails when a store or a reason is not one of the format, and when there is no store.
func (p Preflight) Encode() ([]byte, error) {
	p.V, p.Stores = version, cleaned(p.Stores)
	if err := p.validate(); err != nil {
		return nil, fmt.Errorf("encoding the termination message: %w", err)
	}
	return encode(p)
}

// DecodePreflight returns the Preflight of a termination message.
func DecodePreflight(message string) (Preflight, error) {
	var p Preflight
	if err := decode(message, &p); err != nil {
		return Preflight{}, err
	}
	if err := p.validate(); err != nil {
		return Preflight{}, fmt.Errorf("decoding the termination message: %w", err)
	}
	p.Stores = cleaned(p.Stores)
	return p, nil
}

func cleaned(failures []StoreFailure) []StoreFailure {
	failures = slices.Clone(failures)
	for i := range failures {
		failures[i].Message = clean(failures[i].Message, maxMessage)
	}
	return failures
}

func (p Preflight) validate() error {
	if p.V != version {
		return fmt.Errorf("unknown version %d", p.V)
	}
	if len(p.Stores) == 0 {
		return fmt.Errorf("no store is named")
	}
	var names []StoreName
	for _, f := range p.Stores {
		if !slices.Contains(storeReasons, f.Reason) {
			return fmt.Errorf("unknown reason %q", clean(string(f.Reason), maxName))
		}
		names = append(names, f.Store)
	}
	return validStores(names)
}

func validStores(names []StoreName) error {
	for i, name := range names {
		if !slices.Contains(storeNames, name) {
			return fmt.Errorf("unknown store %q", clean(string(name), maxName))
		}
		if slices.Contains(names[:i], name) {
			return fmt.Errorf("store %q occurs twice", name)
		}
	}
	return nil
}
