package endpoints

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
)

// Transport returns a transport that dials the hosts of Dial at their addresses, and trusts the authority of CA besides the system's.
func (p Endpoints) Transport() (*http.Transport, error) {
	known, err := p.hosts()
	if err != nil {
		return nil, err
	}
	roots, err := p.roots()
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http's own
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if at, ok := known[address]; ok {
			address = at
		}
		return dial(ctx, network, address)
	}
	return transport, nil
}

// hosts parses Dial.
func (p Endpoints) hosts() (map[string]string, error) {
	known := map[string]string{}
	for entry := range strings.SplitSeq(p.Dial, ",") {
		if entry == "" {
			continue
		}
		host, address, ok := strings.Cut(entry, "=")
		if !ok {
			return nil, fmt.Errorf("reading IM_DIAL: %q is no HOST:PORT=ADDRESS: write entries of this form, separated by commas", entry)
		}
		known[host] = address
	}
	return known, nil
}

// roots returns the system's authorities and that of CA.
func (p Endpoints) roots() (*x509.CertPool, error) {
	roots, err := x509.SystemCertPool()
	if err != nil || p.CA == "" {
		return roots, err
	}
	content, err := os.ReadFile(p.CA)
	if err != nil {
		return nil, fmt.Errorf("reading IM_CA: %w", err)
	}
	if !roots.AppendCertsFromPEM(content) {
		return nil, errors.New("reading IM_CA: the file has no certificate: write PEM")
	}
	return roots, nil
}
