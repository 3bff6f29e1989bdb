package dependencies

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// pair parses a certificate and its key as the gateway does. The result repeats no part of the key.
func pair(certificate, key []byte) *openim.Certificate {
	both, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return &openim.Certificate{Invalid: err.Error()}
	}
	leaf, err := x509.ParseCertificate(both.Certificate[0])
	if err != nil {
		return &openim.Certificate{Invalid: err.Error()}
	}
	return &openim.Certificate{NotBefore: leaf.NotBefore, NotAfter: leaf.NotAfter}
}

// expirySoon is how long before its expiry a certificate causes a warning.
const expirySoon = 7 * 24 * time.Hour

// NextChange returns when the result of Certificate changes without a change of the certificate. Zero: never.
func NextChange(c openim.Certificate, now time.Time) time.Time {
	for _, turn := range []time.Time{c.NotBefore, c.NotAfter.Add(-expirySoon), c.NotAfter} {
		if c.Invalid == "" && now.Before(turn) {
			return turn
		}
	}
	return time.Time{}
}

// Certificate checks the gateway's certificate and key: a key that does not match is a problem, a certificate that is expired, about to
// expire or not yet valid a warning. The gateway continues with the last pair that it could read.
func Certificate(stack *v1alpha1.OpenIMStack, facts openim.Facts, now time.Time) (*Problem, *Warning) {
	c := facts.Wrapper.Certificate
	if c == nil {
		return nil, nil
	}
	const field = "spec.wrapper.gateway.tls.secretRef"
	name := stack.Spec.Wrapper.Gateway.TLS.SecretRef.Name
	if c.Invalid != "" {
		const format = "tls.crt and tls.key of Secret %q do not match: %s: write a certificate in PEM, with its chain, and the private key " +
			"that belongs to it"
		return &Problem{
			Reason: v1alpha1.ReasonSecretInvalid, Field: field, Stalled: true, Components: []string{v1alpha1.ComponentGateway},
			Message: fmt.Sprintf(format, name, c.Invalid),
		}, nil
	}
	warn := func(format string, args ...any) (*Problem, *Warning) {
		return nil, &Warning{Reason: v1alpha1.ReasonCertificateNotValid, Field: field, Message: fmt.Sprintf(format, args...)}
	}
	const form = time.RFC3339
	switch {
	case now.Before(c.NotBefore):
		return warn("the certificate of Secret %q is not valid before %s: clients refuse it until then", name, c.NotBefore.UTC().Format(form))
	case !now.Before(c.NotAfter):
		return warn("the certificate of Secret %q expired at %s, and clients refuse it: renew it", name, c.NotAfter.UTC().Format(form))
	case !now.Before(c.NotAfter.Add(-expirySoon)):
		return warn("the certificate of Secret %q expires at %s: renew it", name, c.NotAfter.UTC().Format(form))
	}
	return nil, nil
}
