package v1alpha1

// ObjectStorage is a reference to an object store, of one kind. openim-rpc-third alone connects to it. Clients reach it at its public URL,
// past the gateway, with URLs that OpenIM signs.
// +kubebuilder:validation:XValidation:rule="[has(self.minio), has(self.aws), has(self.cos), has(self.oss), has(self.kodo)].filter(v, v).size() == 1",message="objectStorage needs exactly one of minio, aws, cos, oss and kodo: write one of them, or remove objectStorage to have none"
// +kubebuilder:validation:XValidation:rule="!has(self.peerPort) || has(self.peers)",message="objectStorage.peerPort is the port of peers: write peers, or remove peerPort"
type ObjectStorage struct {
	// minio is MinIO or a store that is compatible with it. OpenIM makes the bucket if its user may.
	// +optional
	MinIO *MinIO `json:"minio,omitempty"`

	// aws is Amazon S3. From v3.8.3-patch.6 on.
	// +optional
	AWS *AWS `json:"aws,omitempty"`

	// cos is Tencent Cloud Object Storage.
	// +optional
	COS *COS `json:"cos,omitempty"`

	// oss is Alibaba Cloud Object Storage Service.
	// +optional
	OSS *OSS `json:"oss,omitempty"`

	// kodo is Qiniu Cloud Kodo.
	// +optional
	Kodo *Kodo `json:"kodo,omitempty"`

	// peers select the store on the network, when its address is a host name that is not a Service: always with aws, cos, oss and kodo, unless
	// an entry of network.extraEgress names rpc-third.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Peers []Peer `json:"peers,omitempty"`

	// peerPort is the port of the peers' pods. With peers and peerPort nothing is read of a Service. Default: the Service's target port, or
	// the port of the address.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	PeerPort *int32 `json:"peerPort,omitempty"`
}

// MinIO is a reference to MinIO.
type MinIO struct {
	// internalAddress is the address at which OpenIM reaches the store.
	// +required
	InternalAddress Address `json:"internalAddress,omitempty"`

	// tls encrypts OpenIM's connections to internalAddress. With tls: {} the store's certificate is of a public authority
	// or of one of pods.trust.
	// +optional
	TLS *ServerTLS `json:"tls,omitempty"`

	// externalAddress is the URL at which clients reach the store, for example https://files.example.com.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://([a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?([.][a-zA-Z0-9_]([-a-zA-Z0-9_]*[a-zA-Z0-9_])?)*[.]?|[[][0-9a-fA-F:.]+[]])(:[1-9][0-9]{0,4})?$')",message="minio.externalAddress must be a URL with only scheme and host, for example https://files.example.com"
	ExternalAddress string `json:"externalAddress,omitempty"`

	// bucket to use. Default openim.
	// +optional
	Bucket Bucket `json:"bucket,omitempty"`

	// credentialsRef names a Secret with the keys accessKeyID and secretAccessKey.
	// +required
	CredentialsRef LocalReference `json:"credentialsRef,omitzero"`
}

// AWS is a bucket of Amazon S3. OpenIM has no key for another endpoint: for a store that is compatible with S3 write minio.
type AWS struct {
	// region of the bucket, for example eu-central-1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z]{2}(-[a-z]+)+-[0-9]+$')",message="aws.region must be the name of a region of AWS, for example eu-central-1"
	Region string `json:"region,omitempty"`

	// bucket to use. It must exist.
	// +required
	Bucket Bucket `json:"bucket,omitempty"`

	// credentialsRef names a Secret with the keys accessKeyID and secretAccessKey.
	// +required
	CredentialsRef LocalReference `json:"credentialsRef,omitzero"`
}

// COS is a bucket of Tencent Cloud Object Storage.
type COS struct {
	// bucketURL is the URL of the bucket, which must exist, for example https://chat-1250000000.cos.ap-chengdu.myqcloud.com
	// +required
	BucketURL StoreURL `json:"bucketURL,omitempty"`

	// access of clients to the files. Default Signed.
	// +optional
	Access FileAccess `json:"access,omitempty"`

	// credentialsRef names a Secret with the keys accessKeyID (SecretId) and secretAccessKey (SecretKey).
	// +required
	CredentialsRef LocalReference `json:"credentialsRef,omitzero"`
}

// OSS is a bucket of Alibaba Cloud Object Storage Service.
type OSS struct {
	// endpoint is the URL of the region, without the bucket, for example https://oss-cn-chengdu.aliyuncs.com. OpenIM and clients connect to
	// the host that is the bucket, a dot and the endpoint's host.
	// +required
	Endpoint StoreURL `json:"endpoint,omitempty"`

	// bucketURL is the URL of the bucket, to which clients upload large files, for example https://chat.oss-cn-chengdu.aliyuncs.com
	// +required
	BucketURL StoreURL `json:"bucketURL,omitempty"`

	// bucket to use. It must exist.
	// +required
	Bucket Bucket `json:"bucket,omitempty"`

	// access of clients to the files. Default Signed.
	// +optional
	Access FileAccess `json:"access,omitempty"`

	// credentialsRef names a Secret with the keys accessKeyID and secretAccessKey.
	// +required
	CredentialsRef LocalReference `json:"credentialsRef,omitzero"`
}

// Kodo is a bucket of Qiniu Cloud Kodo. Clients get signed URLs: OpenIM has no others for it.
type Kodo struct {
	// endpoint is the URL of the region's API of S3, without the bucket, for example https://s3.cn-south-1.qiniucs.com. OpenIM and clients
	// connect to the host that is the bucket, a dot and the endpoint's host.
	// +required
	Endpoint StoreURL `json:"endpoint,omitempty"`

	// bucketURL is the URL of the bucket's domain, for example https://files.example.com
	// +required
	BucketURL StoreURL `json:"bucketURL,omitempty"`

	// bucket to use. It must exist.
	// +required
	Bucket Bucket `json:"bucket,omitempty"`

	// credentialsRef names a Secret with the keys accessKeyID (AccessKey) and secretAccessKey (SecretKey).
	// +required
	CredentialsRef LocalReference `json:"credentialsRef,omitzero"`
}

// Bucket is the name of a bucket.
// +kubebuilder:validation:MinLength=3
// +kubebuilder:validation:MaxLength=63
// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9][a-z0-9.-]+[a-z0-9]$') && !self.contains('..')",message="a bucket must be a name of lower-case letters, digits, '.' and '-' that begins and ends with a letter or digit, without two dots in a row"
type Bucket string

// StoreURL is the URL of a cloud's object store.
// +kubebuilder:validation:MinLength=9
// +kubebuilder:validation:MaxLength=255
// +kubebuilder:validation:XValidation:rule="self.matches('^https://[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?([.][a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*(:[1-9][0-9]{0,4})?$')",message="the URL of an object store must be https:// with only a host, for example https://oss-cn-chengdu.aliyuncs.com: with a path the signatures would not hold"
type StoreURL string

// FileAccess is how clients read files.
// +kubebuilder:validation:Enum=Signed;Public
type FileAccess string

// The ways to read files.
const (
	// FilesSigned: by URLs that OpenIM signs, and that expire. The bucket is private.
	FilesSigned FileAccess = "Signed"
	// FilesPublic: by URLs without a signature, which hold for ever. The bucket must be readable for everybody, which the operator does not
	// make it.
	FilesPublic FileAccess = "Public"
)
