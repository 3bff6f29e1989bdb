package openim

import (
	"path"

	corev1 "k8s.io/api/core/v1"
)

// Names of the files of a store.
const (
	// CAFile holds the certificates of authorities, as PEM.
	CAFile = "ca.crt"
	// CertificateFile and PrivateKeyFile hold the client's own certificate, as PEM.
	CertificateFile = "tls.crt"
	PrivateKeyFile  = "tls.key"
	// CombinedFile holds certificate and private key together, as MongoDB's clients read them.
	CombinedFile = "tls.pem"
)

// TrustEnv names the folders of authorities that Go's programs read beside the bundle of the image (crypto/x509).
const TrustEnv = "SSL_CERT_DIR"

// StoreFile is a key of a Secret that is read as a file.
type StoreFile struct {
	Key corev1.SecretKeySelector
	// Name of the file in the folder of its store.
	Name string
}

// StoreDir returns the folder of the files of a store in the pods of OpenIM.
func StoreDir(d Dependency) string { return path.Join(SecretsDir, string(d)) }

// TrustsOfSystem reports whether OpenIM's client of a store has no key for an authority, and uses those of the system.
func TrustsOfSystem(d Dependency) bool { return d == Etcd || d == ObjectStorage }

// WrapperFilesDir is the folder of the files of the wrapper's MongoDB in the pods of the backend.
const WrapperFilesDir = "/etc/wrapper/ca/mongodb"
