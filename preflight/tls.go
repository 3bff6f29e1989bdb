package preflight

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"time"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// refusalTime is how long a server has to refuse the client's certificate: with TLS 1.3 it does so behind the handshake.
const refusalTime = 500 * time.Millisecond

// tlsFiles name what a client of TLS reads, as OpenIM's Kafka client does. Without an authority those of the system are trusted, without a
// certificate the client shows none.
type tlsFiles struct {
	authority, certificate, key string
	// insecure is true when every certificate of the server is accepted.
	insecure bool
}

// config reads the files anew, because the kubelet writes a changed Secret into the same folder.
func (f tlsFiles) config() (*tls.Config, *failure) {
	//nolint:gosec // the spec asks for it, and status and audit list it as the exception UnverifiedTLS
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: f.insecure}
	if f.authority != "" {
		text, err := os.ReadFile(f.authority)
		c.RootCAs = x509.NewCertPool()
		if err != nil || !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, failed(termination.CertificateNotTrusted,
				"the file of the authorities holds no certificate: write PEM certificates to the Secret of tls.caSecretRef")
		}
	}
	if f.certificate != "" && f.key != "" {
		pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
		if err != nil {
			return nil, failed(termination.AuthenticationFailed, "the client's certificate and private key cannot be used: "+
				"write both to the Secret of tls.clientCertificate, as PEM")
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// diagnoseTLS returns why a store that expects TLS gave no valid answer.
func diagnoseTLS(ctx context.Context, conn net.Conn, address string, timedOut bool, settings *tls.Config) *failure {
	config := settings.Clone()
	if config.ServerName == "" {
		config.ServerName, _, _ = net.SplitHostPort(address)
	}
	secure := tls.Client(conn, config)
	err := secure.HandshakeContext(ctx)
	greeted := err == nil
	if greeted {
		_ = secure.SetReadDeadline(time.Now().Add(refusalTime))
		if _, err = secure.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil // it waits for a request
		}
	}
	if f := tlsFailure(err, len(config.Certificates) > 0); f != nil {
		return f
	}
	if timedOut && !greeted { // Kafka without TLS may wait for the rest of what it takes for a request
		return failed(termination.Unreachable, "connections are accepted, and a TLS handshake is not answered: "+
			"check that the port speaks TLS, and that the store works")
	}
	if timedOut {
		return failed(termination.Unreachable,
			"connections are accepted, and nothing is answered: check that the store works and that the address is the store's")
	}
	if !greeted { // etcd without TLS does this, and a proxy whose server is away
		return failed(termination.Unreachable, "connections are closed in place of a TLS handshake: "+
			"check that the port speaks TLS, and the store")
	}
	return failed(termination.Unreachable, "connections are closed without an answer: check the address, the store and what is between")
}

// tlsFailure returns the failure of a TLS connection that an error stands for, nil for an error of another kind. certified is true for a
// client with a certificate.
func tlsFailure(err error, certified bool) *failure {
	var (
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		alert     tls.AlertError
		remote    *net.OpError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &authority):
		return failed(termination.CertificateNotTrusted,
			"the store's certificate is of another authority: write the authority's certificate to the Secret of tls.caSecretRef")
	case errors.As(err, &name):
		return failed(termination.CertificateNotTrusted,
			"the store's certificate is for other names than the address: correct the address, or add its host to the certificate")
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return failed(termination.CertificateNotTrusted,
			"the store's certificate has expired, or is not valid yet: renew it, or correct the clocks")
	case errors.As(err, &invalid):
		return failed(termination.CertificateNotTrusted, "the store's certificate may not be used for a server: issue another")
	case errors.As(err, &record):
		return failed(termination.UnexpectedProtocol, "the server does not speak TLS: remove tls from the spec, or check address and port")
	case errors.As(err, &alert), errors.As(err, &remote) && remote.Op == "remote error":
		if certified {
			return failed(termination.AuthenticationFailed,
				"the server refuses the client's certificate, or the version of TLS: check the Secret of tls.clientCertificate and its authority")
		}
		return failed(termination.AuthenticationFailed,
			"the server refuses a client without a certificate, or the version of TLS: write tls.clientCertificate, or offer TLS 1.2 or later")
	}
	return nil
}
