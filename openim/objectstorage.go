package openim

import (
	"cmp"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/bucketurl"
)

// ObjectStorageKind is a kind of object store, as the key object.enable of openim-rpc-third.yml names it.
type ObjectStorageKind string

// The kinds.
const (
	StorageMinIO ObjectStorageKind = "minio"
	StorageAWS   ObjectStorageKind = "aws"
	StorageCOS   ObjectStorageKind = "cos"
	StorageOSS   ObjectStorageKind = "oss"
	StorageKodo  ObjectStorageKind = "kodo"
)

// defaultBucket is the bucket of MinIO when the spec names none.
const defaultBucket = "openim"

// ObjectStorageSettings configure the connections of OpenIM and its clients to the object store.
type ObjectStorageSettings struct {
	// Kind is empty for MinIO: earlier operators knew no other, and what they recorded stays equal.
	Kind ObjectStorageKind `json:",omitempty"`
	// InternalAddress and ExternalAddress are MinIO's: host:port for OpenIM, and a URL for clients.
	InternalAddress string
	ExternalAddress string
	// Bucket is empty for COS, whose URL names it.
	Bucket string
	// TLS is true when OpenIM's connections to MinIO are encrypted. Those to the other kinds are always.
	TLS bool `json:",omitempty"`
	// Region is AWS's.
	Region string `json:",omitempty"`
	// Endpoint is the URL of the region of OSS or Kodo, BucketURL that of the bucket of COS, OSS or Kodo.
	Endpoint  string `json:",omitempty"`
	BucketURL string `json:",omitempty"`
	// PublicRead is true when clients of COS or OSS get URLs without a signature.
	PublicRead bool `json:",omitempty"`
}

// ObjectStorageOf returns the settings of a spec's object store, the reference to its credentials, and its name in the spec below
// dependencies.objectStorage. It returns nils for a spec without a kind, which the schema of the CRD excludes.
func ObjectStorageOf(spec *v1alpha1.ObjectStorage) (*ObjectStorageSettings, *v1alpha1.LocalReference, string) {
	switch {
	case spec == nil:
	case spec.MinIO != nil:
		m := spec.MinIO
		return &ObjectStorageSettings{
			InternalAddress: string(m.InternalAddress), ExternalAddress: m.ExternalAddress, Bucket: cmp.Or(string(m.Bucket), defaultBucket),
			TLS: m.TLS != nil,
		}, &m.CredentialsRef, string(StorageMinIO)
	case spec.AWS != nil:
		a := spec.AWS
		return &ObjectStorageSettings{Kind: StorageAWS, Region: a.Region, Bucket: string(a.Bucket)}, &a.CredentialsRef, string(StorageAWS)
	case spec.COS != nil:
		c := spec.COS
		return &ObjectStorageSettings{
			Kind: StorageCOS, BucketURL: string(c.BucketURL), PublicRead: c.Access == v1alpha1.FilesPublic,
		}, &c.CredentialsRef, string(StorageCOS)
	case spec.OSS != nil:
		o := spec.OSS
		return &ObjectStorageSettings{
			Kind: StorageOSS, Endpoint: string(o.Endpoint), BucketURL: string(o.BucketURL), Bucket: string(o.Bucket),
			PublicRead: o.Access == v1alpha1.FilesPublic,
		}, &o.CredentialsRef, string(StorageOSS)
	case spec.Kodo != nil:
		k := spec.Kodo
		return &ObjectStorageSettings{
			Kind: StorageKodo, Endpoint: string(k.Endpoint), BucketURL: string(k.BucketURL), Bucket: string(k.Bucket),
		}, &k.CredentialsRef, string(StorageKodo)
	}
	return nil, nil, ""
}

// Enable returns the value of object.enable.
func (s ObjectStorageSettings) Enable() ObjectStorageKind { return cmp.Or(s.Kind, StorageMinIO) }

// InternalURL returns the address of MinIO as OpenIM reads it: without a scheme, its client does not use TLS.
func (s ObjectStorageSettings) InternalURL() string {
	if s.TLS {
		return "https://" + s.InternalAddress
	}
	return s.InternalAddress
}

// URL returns the URL that OpenIM's client of the store connects to.
func (s ObjectStorageSettings) URL() string {
	switch s.Enable() {
	case StorageAWS:
		return bucketurl.AWS(s.Region, s.Bucket)
	case StorageCOS:
		return s.BucketURL
	case StorageOSS, StorageKodo:
		return bucketurl.InHost(s.Endpoint, s.Bucket)
	case StorageMinIO:
	}
	if s.TLS {
		return "https://" + s.InternalAddress
	}
	return "http://" + s.InternalAddress
}

// PublicURL returns the URL under which clients read files: OpenIM's signed URLs begin with it.
func (s ObjectStorageSettings) PublicURL() string {
	if s.Enable() == StorageMinIO {
		return s.ExternalAddress
	}
	return s.URL()
}

// OnePart reports whether users may upload in one part alone. OpenIM's client of COS signs the parts of an upload without their query
// (tools s3/cos AuthSign, v0.0.50-alpha.113): the header holds for a PUT of the object itself, with any content and for 24 hours, whose key
// is the hash of the parts. The URL of an upload in one part is signed for an object of its own below openim/temp.
func (s ObjectStorageSettings) OnePart() bool { return s.Enable() == StorageCOS }

// storageKeys are the keys of openim-rpc-third.yml or minio.yml with the two parts of the credentials.
var storageKeys = map[ObjectStorageKind]struct {
	file       File
	id, secret string
}{
	StorageMinIO: {MinIOFile, KeyAccessKeyID, KeySecretAccessKey},
	StorageAWS:   {RPCThirdFile, "object.aws.accessKeyID", "object.aws.secretAccessKey"},
	StorageCOS:   {RPCThirdFile, "object.cos.secretID", "object.cos.secretKey"},
	StorageOSS:   {RPCThirdFile, "object.oss.accessKeyID", "object.oss.accessKeySecret"},
	StorageKodo:  {RPCThirdFile, "object.kodo.accessKeyID", "object.kodo.accessKeySecret"},
}

// CredentialsEnv returns the environment variables that carry the credentials.
func (s ObjectStorageSettings) CredentialsEnv() (id, secret string) {
	keys := storageKeys[s.Enable()]
	return EnvName(keys.file, keys.id), EnvName(keys.file, keys.secret)
}
