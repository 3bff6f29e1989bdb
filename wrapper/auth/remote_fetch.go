package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	maxURLBytes          = 2048
	maxETagBytes         = 256
	maxJWKSResponseHeads = 32 << 10
)

// CheckJWKSURL accepts an https address with a host, without user and fragment.
func CheckJWKSURL(text string) error {
	u, err := url.Parse(text)
	if err != nil || len(text) > maxURLBytes || u.Scheme != "https" || u.Hostname() == "" ||
		u.User != nil || u.Fragment != "" || u.Opaque != "" {
		return errors.New("write https://host/path, without user and fragment: only TLS proves whose keys they are")
	}
	return nil
}

// fetched is a successful reply. set is nil when the set has not changed.
type fetched struct {
	set   *KeySet
	etag  string
	fresh time.Duration
}

// dial returns a transport for one fetch. It is not kept, because fetches are minutes apart and the authorities may change in between.
func (k *Remote) dial() (http.RoundTripper, func(), error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if k.cas != nil {
		pool, err := k.cas.Get()
		if err != nil {
			return nil, nil, err
		}
		config.RootCAs = pool
	}
	t := &http.Transport{
		TLSClientConfig: config, DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: maxJWKSResponseHeads,
		DialContext: (&net.Dialer{Timeout: fetchTimeout / 2}).DialContext, TLSHandshakeTimeout: fetchTimeout / 2,
	}
	return t, t.CloseIdleConnections, nil
}

// fetch requests the set once. Its errors hold nothing of the provider's reply.
func (k *Remote) fetch(ctx context.Context, etag string) (fetched, error) {
	if err := CheckJWKSURL(k.url); err != nil && !loopback(k.url) {
		return fetched{}, err
	}
	transport, end, err := k.transport()
	if err != nil {
		return fetched{}, err
	}
	defer end()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return fetched{}, errors.New("the address of the key set is invalid")
	}
	req.Header.Set("Accept", "application/jwk-set+json, application/json")
	req.Header.Set("Accept-Encoding", "identity")
	req.Header.Set("User-Agent", "openim-wrapper")
	if etag != "" {
		req.Header.Set("If-None-Match", etag)
	}
	// A RoundTripper follows no redirect.
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return fetched{}, fmt.Errorf("the provider cannot be reached: %w", networkError(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }()
	fresh := freshness(resp.Header)
	switch {
	case resp.StatusCode == http.StatusNotModified && etag != "":
		return fetched{fresh: fresh}, nil
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return fetched{}, fmt.Errorf("the provider answers with a redirect (HTTP status %d): configure the final address of the set",
			resp.StatusCode)
	case resp.StatusCode != http.StatusOK:
		return fetched{}, fmt.Errorf("the provider answers HTTP status %d", resp.StatusCode)
	case resp.Header.Get(wire.HeaderContentCoding) != "":
		return fetched{}, errors.New("the provider answers with a content coding that was not requested")
	case resp.ContentLength > maxJWKSBytes:
		return fetched{}, fmt.Errorf("the key set is larger than %d bytes", maxJWKSBytes)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKSBytes+1))
	if err != nil {
		return fetched{}, fmt.Errorf("the provider's reply broke off: %w", networkError(ctx, err))
	}
	set, err := ParseJWKS(body)
	if err != nil {
		return fetched{}, err
	}
	tag := resp.Header.Get("ETag")
	if len(tag) > maxETagBytes {
		tag = ""
	}
	return fetched{set: set, etag: tag, fresh: fresh}, nil
}

// networkError keeps the kind of a network error and drops the texts that it quotes.
func networkError(ctx context.Context, err error) error {
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	switch {
	case ctx.Err() != nil:
		return errors.New("no answer in time")
	case errors.As(err, &dns):
		return errors.New("the host name cannot be resolved")
	case errors.As(err, &certificate):
		return errors.New("the certificate is not trusted: configure the authority's certificate in caFile")
	case errors.As(err, &op):
		return fmt.Errorf("%s: %w", op.Op, op.Err)
	}
	return errors.New("the reply is not HTTP")
}

// freshness returns how long a reply may be used, by its Cache-Control (RFC 9111 section 5.2) and within our bounds.
func freshness(h http.Header) time.Duration {
	fresh := defaultRefresh
	for directive := range strings.SplitSeq(strings.Join(h.Values(wire.HeaderCacheControl), ","), ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return MinRefresh
		case "max-age":
			seconds, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err != nil {
				return MinRefresh
			}
			fresh = time.Duration(seconds) * time.Second
		}
	}
	return min(max(fresh, MinRefresh), MaxRefresh)
}

// loopback reports whether an address is plain HTTP on this machine. Only tests use such an address. The configuration does not accept it.
func loopback(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.IsLoopback()
}
