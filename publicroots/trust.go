package publicroots

import (
	"crypto/x509"
	"fmt"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Trust makes the program trust Mozilla's authorities beside those of the system. Go takes either the one or the other by itself; the
// directive of the program's main file (go:debug x509usefallbackroots=1) makes it take what is given here. It must be called once, before
// the first connection.
func Trust() error {
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
