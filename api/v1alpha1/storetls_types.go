package v1alpha1

// StoreTLS configures TLS to a store: whose certificates are trusted, and the client's own certificate. All of it is read from Secrets when
// a process starts: a changed Secret restarts the processes that use the store.
// +kubebuilder:validation:XValidation:rule="!has(self.caSecretRef) || !has(self.verification) || self.verification == 'Full'",message="tls.verification None ignores the authority: remove caSecretRef, or write verification: Full"
type StoreTLS struct {
	// caSecretRef is the key of a Secret with the PEM certificates of the authorities that may issue the store's certificate. Default: the
	// public authorities of the image, and those of pods.trust.
	// +optional
	CASecretRef *KeyReference `json:"caSecretRef,omitempty"`

	// clientCertificate with which OpenIM proves itself to the store.
	// +optional
	ClientCertificate *ClientCertificate `json:"clientCertificate,omitempty"`

	// verification of the store's certificate. None accepts every certificate, so that whoever is between the pods and the store reads and
	// changes everything: status and audit list it as the exception UnverifiedTLS. Default Full.
	// +optional
	Verification TLSVerification `json:"verification,omitempty"`
}

// ServerTLS configures TLS to a store whose clients have no certificate of their own.
type ServerTLS struct {
	// caSecretRef is the key of a Secret with the PEM certificates of the authorities that may issue the store's certificate, beside the
	// public authorities of the image. OpenIM's processes that use the store trust them for every connection that has no authority of its
	// own.
	// +optional
	CASecretRef *KeyReference `json:"caSecretRef,omitempty"`
}

// TLSVerification is how a server's certificate is verified.
// +kubebuilder:validation:Enum=Full;None
type TLSVerification string

// The ways to verify a certificate.
const (
	// TLSVerificationFull: the authority, the name and the time.
	TLSVerificationFull TLSVerification = "Full"
	// TLSVerificationNone: nothing.
	TLSVerificationNone TLSVerification = "None"
)

// ClientCertificate names the certificate and the private key of a client, in one Secret.
type ClientCertificate struct {
	// secretRef names the Secret, for example one of cert-manager.
	// +required
	SecretRef LocalReference `json:"secretRef,omitzero"`

	// certKey is the key of the Secret that holds the certificate, as PEM. Default tls.crt. For MongoDB it holds certificate and private key
	// together, and the default is tls-combined.pem, as cert-manager's additional output format CombinedPEM writes it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	CertKey string `json:"certKey,omitempty"`

	// keyKey is the key of the Secret that holds the private key, as PEM without a password. Default tls.key. Not for MongoDB.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	KeyKey string `json:"keyKey,omitempty"`
}

// OptionValue is the value of an option of a connection string.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=256
// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9._:,-]+$')",message="the value of an option must be made of letters, digits and . _ : , -"
type OptionValue string
