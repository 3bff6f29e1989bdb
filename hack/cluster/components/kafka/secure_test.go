package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// selfSigned writes a certificate for the advertised name and its key to a folder, and returns their paths and the pair.
func selfSigned(t *testing.T) (certificate, key string, pair tls.Certificate) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, DNSNames: []string{"kafka.infra.svc"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	certificate = write(t, "tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	key = write(t, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})))
	if pair, err = tls.LoadX509KeyPair(certificate, key); err != nil {
		t.Fatal(err)
	}
	return certificate, key, pair
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOnlyClientsWithCertificateAndPasswordAreServed(t *testing.T) {
	certificate, key, pair := selfSigned(t)
	_, _, foreign := selfSigned(t)
	cfg, err := parse([]string{"--listen=127.0.0.1:0", "--advertise=" + advertisedName, "--data-dir=" + t.TempDir(),
		"--tls-cert=" + certificate, "--tls-key=" + key, "--tls-client-ca=" + certificate,
		"--users=" + write(t, "users", "openim:right\n\nother:has:colons\n")}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	b, err := start(cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	trusted := x509.NewCertPool()
	trusted.AddCert(pair.Leaf)
	for _, c := range []struct {
		name           string
		tls            *tls.Config
		user, password string
		served         bool
	}{
		{"all", &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{pair}}, "openim", "right", true},
		{"a password with colons", &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{pair}}, "other", "has:colons", true},
		{"a wrong password", &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{pair}}, "openim", "wrong", false},
		{"no login", &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{pair}}, "", "", false},
		{"no certificate", &tls.Config{RootCAs: trusted}, "openim", "right", false},
		{"a foreign certificate", &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{foreign}}, "openim", "right", false},
		{"another authority", &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{pair}}, "openim", "right", false},
		{"no TLS", nil, "openim", "right", false},
		{"all, once more", &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{pair}}, "openim", "right", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			options := []kgo.Opt{kgo.SeedBrokers(b.addr.String()), kgo.RequestRetries(0), kgo.RetryTimeout(5 * time.Second),
				kgo.DialTimeout(2 * time.Second), kgo.RequestTimeoutOverhead(2 * time.Second)}
			if c.tls != nil {
				c.tls.ServerName = "kafka.infra.svc"
				options = append(options, kgo.DialTLSConfig(c.tls))
			}
			if c.user != "" {
				options = append(options, kgo.SASL(plain.Auth{User: c.user, Pass: c.password}.AsMechanism()))
			}
			cl, err := kgo.NewClient(options...)
			if err != nil {
				t.Fatal(err)
			}
			defer cl.Close()
			_, err = cl.SeedBrokers()[0].Request(ctx, kmsg.NewPtrMetadataRequest())
			if (err == nil) != c.served {
				t.Errorf("error = %v, want served = %t", err, c.served)
			}
		})
	}
}

func TestFilesThatCannotBeUsedSayWhatToWrite(t *testing.T) {
	certificate, key, _ := selfSigned(t)
	_, other, _ := selfSigned(t)
	pair := []string{"--tls-cert=" + certificate, "--tls-key=" + key}
	for want, args := range map[string][]string{
		"belong together":                         {"--tls-cert=" + certificate},
		"needs --tls-cert":                        {"--tls-client-ca=" + certificate},
		"write a certificate and its private key": {"--tls-cert=" + certificate, "--tls-key=" + other},
		"reading --tls-client-ca":                 append([]string{"--tls-client-ca=/nowhere"}, pair...),
		"holds no certificate":                    append([]string{"--tls-client-ca=" + key}, pair...),
		"reading --users":                         {"--users=/nowhere"},
		"a line is not user:password":             {"--users=" + write(t, "users", "openim:s3cr-t\nno-colon s3cr-t\n")},
		"names no user":                           {"--users=" + write(t, "users", "\n")},
	} {
		t.Run(want, func(t *testing.T) {
			err := run(t.Context(), append([]string{"--listen=127.0.0.1:0", "--data-dir=" + t.TempDir()}, args...), io.Discard)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error = %v, want it to contain %q", err, want)
			}
			if err != nil && strings.Contains(err.Error(), "s3cr") {
				t.Errorf("error %q quotes a password", err)
			}
		})
	}
}
