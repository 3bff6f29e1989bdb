package setup

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/infra"
)

// certificateLifetime is that of the object store's certificate, which is made once for a cluster.
const certificateLifetime = 10 * 365 * 24 * time.Hour

// ensureFiles writes the account of the object store and its certificate to the stores' namespace, unless they are there.
func (e *Environment) ensureFiles(ctx context.Context, namespace string) error {
	account, err := e.secret(ctx, infra.FilesSecret)
	if err != nil {
		return err
	}
	if len(account[infra.SecretKeyKey]) == 0 {
		account = map[string][]byte{infra.AccessKeyIDKey: []byte(infra.FilesUser), infra.SecretKeyKey: newPassword()}
	}
	if err := e.ensureSecret(ctx, namespace, infra.FilesSecret, account); err != nil {
		return err
	}
	pair, err := e.secret(ctx, infra.FilesTLSSecret)
	if err != nil {
		return err
	}
	if len(pair[corev1.TLSPrivateKeyKey]) == 0 {
		if pair, err = filesCertificate(InNamespace(infra.FilesHost, namespace)); err != nil {
			return fmt.Errorf("making the object store's certificate: %w", err)
		}
	}
	return e.ensureSecret(ctx, namespace, infra.FilesTLSSecret, pair)
}

// filesCertificate returns a certificate that is its own authority, and its private key.
func filesCertificate(host string) (map[string][]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(certificateLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return map[string][]byte{
		corev1.TLSCertKey:       pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		corev1.TLSPrivateKeyKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}

// ensureFilesOf writes what a stack needs of the object store to its namespace: the account, and the certificate's authority.
func (e *Environment) ensureFilesOf(ctx context.Context, stack *v1alpha1.OpenIMStack) error {
	if stack.Spec.Dependencies.ObjectStorage == nil {
		return nil
	}
	account, err := e.secret(ctx, infra.FilesSecret)
	if err != nil {
		return err
	}
	pair, err := e.secret(ctx, infra.FilesTLSSecret)
	if err != nil {
		return err
	}
	if err := e.ensureSecret(ctx, stack.Namespace, infra.FilesSecret, account); err != nil {
		return err
	}
	return e.ensureSecret(ctx, stack.Namespace, infra.FilesCASecret, map[string][]byte{infra.CAKey: pair[corev1.TLSCertKey]})
}

// FilesCA returns the authority of the object store's certificate, as PEM.
func (e *Environment) FilesCA(ctx context.Context) ([]byte, error) {
	pair, err := e.secret(ctx, infra.FilesTLSSecret)
	return pair[corev1.TLSCertKey], err
}

// Files returns a client of a stack's object store, at a port-forward that stays open until ctx ends: the store's address is of the
// cluster's DNS. A production store has a public one.
func (e *Environment) Files(ctx context.Context, stack *v1alpha1.OpenIMStack) (chat.Store, error) {
	storage := stack.Spec.Dependencies.ObjectStorage
	if storage == nil || storage.MinIO == nil {
		return chat.Store{}, errors.New("the stack has no object store: write spec.dependencies.objectStorage.minio")
	}
	address, err := e.ForwardService(ctx, storage.MinIO.InternalAddress)
	if err != nil {
		return chat.Store{}, err
	}
	ca, err := e.FilesCA(ctx)
	if err != nil {
		return chat.Store{}, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca) {
		return chat.Store{}, fmt.Errorf("reading Secret %s: no certificate", infra.FilesTLSSecret)
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return chat.Store{Client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: dial, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
	}}}, nil
}
