package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

// files are those of TLS and of users. An empty name is a file that is not used.
type files struct{ certificate, key, clientCA, users string }

// options returns what the files ask of the broker. They are read once. No error quotes a file of users or keys.
func (f files) options() ([]kfake.Opt, error) {
	var options []kfake.Opt
	if f.certificate != "" {
		pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
		if err != nil {
			return nil, fmt.Errorf("reading --tls-cert and --tls-key: %w: write a certificate and its private key as PEM", err)
		}
		config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
		if f.clientCA != "" {
			text, err := os.ReadFile(f.clientCA)
			if err != nil {
				return nil, fmt.Errorf("reading --tls-client-ca: %w", err)
			}
			config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
			if !config.ClientCAs.AppendCertsFromPEM(text) {
				return nil, errors.New("reading --tls-client-ca: it holds no certificate: write the authorities' certificates as PEM")
			}
		}
		options = append(options, kfake.TLS(config))
	}
	if f.users == "" {
		return options, nil
	}
	text, err := os.ReadFile(f.users)
	if err != nil {
		return nil, fmt.Errorf("reading --users: %w", err)
	}
	options = append(options, kfake.EnableSASL())
	found := false
	for line := range strings.Lines(string(text)) {
		user, password, ok := strings.Cut(strings.TrimSpace(line), ":")
		switch {
		case user == "" && password == "" && !ok:
			continue
		case user == "" || password == "":
			return nil, errors.New("reading --users: a line is not user:password: write one user a line")
		}
		options, found = append(options, kfake.Superuser("PLAIN", user, password)), true
	}
	if !found { // kfake would make a user with a published password
		return nil, errors.New("reading --users: it names no user: write user:password, one user a line")
	}
	return options, nil
}
