package preflight

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"golang.org/x/net/http/httpproxy"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// objectStorage checks the bucket of an object store.
type objectStorage struct {
	// kind is the value of object.enable. Empty: minio.
	kind string
	// address is a URL, http or https. That of a cloud's store names the bucket.
	address string
	bucket  string
	// region that is signed for aws and kodo.
	region                        string
	accessKey, secretKey, session string
	// proxies between the pod and the store, as the environment names them.
	proxies httpproxy.Config
	// roots are the authorities, nil for those of the system.
	roots *x509.CertPool
}

const (
	// defaultRegion is what stores other than Amazon's expect, and what OpenIM's client uses before it knows better.
	defaultRegion = "us-east-1"
	emptyHash     = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" // SHA-256 of an empty body
	maxErrorBytes = 4 << 10
)

var regionForm = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (s objectStorage) try(ctx context.Context) ([]string, *failure) {
	base, err := url.Parse(s.address)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" {
		return nil, failed(termination.Unreachable, "the address is not valid: write http:// or https://, host and port")
	}
	calls, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	client := s.client()
	if s.kind != kindMinIO && s.kind != "" {
		return nil, s.cloud(ctx, calls, client, base)
	}
	bucket := base.JoinPath(s.bucket)
	status, _, region, err := s.call(calls, client, http.MethodHead, bucket, defaultRegion)
	if err == nil && (status == http.StatusMovedPermanently || status == http.StatusBadRequest) && region != "" {
		status, _, _, err = s.call(calls, client, http.MethodHead, bucket, region)
	} else {
		region = defaultRegion
	}
	if err != nil {
		return nil, s.failure(ctx, calls, base, err)
	}
	switch {
	case status == http.StatusOK:
		return nil, nil
	case status == http.StatusNotFound:
		return []string{"object-storage: the bucket is missing: OpenIM makes it, if its user may"}, nil
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		// The reply to HEAD has no body, and so no code. The location of the bucket is asked for the code alone.
		bucket.RawQuery = "location="
		_, code, _, err := s.call(calls, client, http.MethodGet, bucket, region)
		if err != nil {
			return nil, s.failure(ctx, calls, base, err)
		}
		return nil, refusedBy(code)
	case status >= http.StatusInternalServerError:
		return nil, failed(termination.Unreachable, "the object store answers that it does not work now: check it")
	}
	if through, _ := s.proxy(base); base.Scheme == "http" && through == nil {
		if f := diagnose(ctx, []string{hostPort(base)}, false, nil); f.reason == termination.TLSRequired {
			return nil, f
		}
	}
	return nil, failed(termination.UnexpectedProtocol,
		"what answers at the address is another server, not an object store with the API of S3: check address and port")
}

// client returns a client which follows no redirect, and connects through the proxy that OpenIM's client uses.
func (s objectStorage) client() *http.Client {
	transport := &http.Transport{
		Proxy:             func(r *http.Request) (*url.URL, error) { return s.proxy(r.URL) },
		DisableKeepAlives: true, MaxResponseHeaderBytes: 64 << 10, TLSHandshakeTimeout: callTimeout,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.roots},
	}
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// call sends one signed request. It returns the code of an error and the bucket's region, as far as the reply tells.
func (s objectStorage) call(ctx context.Context, client *http.Client, method string, target *url.URL, region string) (
	status int, code, bucketRegion string, err error,
) {
	r, err := http.NewRequestWithContext(ctx, method, target.String(), http.NoBody)
	if err != nil {
		return 0, "", "", err
	}
	if err := s.sign(ctx, r, region, time.Now()); err != nil {
		return 0, "", "", err
	}
	reply, err := client.Do(r)
	if err != nil {
		return 0, "", "", err
	}
	defer func() { _ = reply.Body.Close() }()
	if bucketRegion = reply.Header.Get("X-Amz-Bucket-Region"); !regionForm.MatchString(bucketRegion) {
		bucketRegion = ""
	}
	var failure struct{ Code string }
	if xml.NewDecoder(io.LimitReader(reply.Body, maxErrorBytes)).Decode(&failure) == nil {
		code = failure.Code
	}
	return reply.StatusCode, code, bucketRegion, nil
}

// refusedBy returns the failure that a code of S3 stands for.
func refusedBy(code string) *failure {
	switch code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "AuthorizationHeaderMalformed":
		return failed(termination.AuthenticationFailed, "access key or secret key is wrong: correct the Secret of credentialsRef")
	case "RequestTimeTooSkewed":
		return failed(termination.AuthenticationFailed, "the clocks of the node and of the object store differ: correct them")
	}
	return failed(termination.PermissionDenied, "the user may not use the bucket: permit it to list, read and write the bucket")
}

// failure returns the failure that an error without a reply stands for.
func (s objectStorage) failure(ctx, calls context.Context, base *url.URL, err error) *failure {
	if errors.Is(err, http.ErrSchemeMismatch) {
		return failed(termination.UnexpectedProtocol, "the server does not speak TLS: remove tls from the spec, or check address and port")
	}
	if f := tlsFailure(err, false); f != nil {
		return f
	}
	if through, err := s.proxy(base); through != nil || err != nil { // whose URL may hold a password
		return failed(termination.Unreachable, "no valid answer through the proxy of the pod's template (HTTPS_PROXY, HTTP_PROXY): check its "+
			"address, that it lets this pod reach the store, and the network policies, or add the store's host to NO_PROXY")
	}
	if f := diagnose(ctx, []string{hostPort(base)}, isTimeout(calls, err), s.secure(base)); f != nil {
		return f
	}
	return failed(termination.Unreachable, "the server gives no valid answer: check address, port and the object store")
}

// proxy returns the proxy on the way to a URL, or nil.
func (s objectStorage) proxy(to *url.URL) (*url.URL, error) { return s.proxies.ProxyFunc()(to) }

// secure returns the configuration of TLS, nil for an address without it.
func (s objectStorage) secure(base *url.URL) *tls.Config {
	if base.Scheme != "https" {
		return nil
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: s.roots}
}

func hostPort(base *url.URL) string {
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	return net.JoinHostPort(base.Hostname(), port)
}
