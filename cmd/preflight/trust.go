package main

import (
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// trustPublicAuthorities makes the program trust Mozilla's authorities beside those of the system, which are the files of SSL_CERT_DIR: the
// image has no bundle of its own, and OpenIM's has one. Go takes either the one or the other by itself; the directive of main.go
// (x509usefallbackroots) makes it take what is given here.
func trustPublicAuthorities() error {
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	for root := range bundle.Roots() {
		certificate, err := x509.ParseCertificate(root.Certificate)
		if err != nil {
			return fmt.Errorf("reading the bundle of authorities: %w", err)
		}
		if root.Constraint == nil {
			pool.AddCert(certificate)
		} else {
			pool.AddCertWithConstraint(certificate, root.Constraint)
		}
	}
	x509.SetFallbackRoots(pool)
	return nil
}
