package preflight

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// The signatures were sent by OpenIM's own clients (openimsdk/tools v0.0.50-alpha.113, StatObject of a/b) at the given times.
func TestSignaturesAreThoseOfOpenIMsClients(t *testing.T) {
	g := NewWithT(t)
	r := httptest.NewRequest(http.MethodHead, "http://127.0.0.1:40501/a/b", http.NoBody)
	period := "1796190174;1796193774"
	signCOSFor(r, "key-id", "secret", period)
	g.Expect(r.Header.Get("Authorization")).To(Equal("q-sign-algorithm=sha1&q-ak=key-id&q-sign-time=" + period + "&q-key-time=" + period +
		"&q-header-list=host&q-url-param-list=&q-signature=f7ebee1d9a9c039c8cc94a6cdd4345ca58f321fa"))

	r = httptest.NewRequest(http.MethodHead, "http://127.0.0.1:40501/a/b?objectMeta", http.NoBody)
	signOSS(r, "bucket", "key-id", "secret", time.Date(2026, 12, 2, 5, 42, 54, 0, time.UTC))
	g.Expect(r.Header.Get("Date")).To(Equal("Wed, 02 Dec 2026 05:42:54 GMT"))
	g.Expect(r.Header.Get("Authorization")).To(Equal("OSS key-id:M+9kQr5gCvQa3dALr/IJu/ua5M0="))
}

// cloudServer answers as the object store of a cloud, to whoever signed with an access key. What a wrong secret does to a signature is
// tested above, and by fakeS3.
func cloudServer(t *testing.T) (address string, authority *certtest.Authority) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signed := r.Header.Get("Authorization")
		for _, c := range []struct {
			key    string
			status int
			code   string
		}{
			{"nobody", http.StatusForbidden, "InvalidAccessKeyId"}, {"forger", http.StatusForbidden, "SignatureDoesNotMatch"},
			{"reader", http.StatusForbidden, "AccessDenied"}, {"homeless", http.StatusNotFound, "NoSuchBucket"},
			{"abroad", http.StatusMovedPermanently, "PermanentRedirect"}, {"late", http.StatusForbidden, "RequestTimeTooSkewed"},
			{"unlucky", http.StatusServiceUnavailable, "SlowDown"}, {"openim", http.StatusNotFound, "NoSuchKey"},
		} {
			if strings.Contains(signed, c.key) && r.URL.Path == "/openim/preflight" && r.Method == http.MethodGet {
				w.WriteHeader(c.status)
				_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>sesame text</Message></Error>`, c.code)
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = fmt.Fprint(w, "sesame is not here")
	}))
	t.Cleanup(server.Close)
	authority = certtest.New(t)
	return certtest.Front(t, certtest.Server(t, authority.Issue(time.Hour), nil), strings.TrimPrefix(server.URL, "http://")), authority
}

func TestCloudsObjectStores(t *testing.T) {
	address, authority := cloudServer(t)
	for _, kind := range []string{kindAWS, kindCOS, kindOSS, kindKodo} {
		t.Run(kind, func(t *testing.T) {
			at := func(address, key string) tryFunc {
				return objectStorage{kind: kind, address: "https://" + address, bucket: "bucket", region: "eu-central-1", accessKey: key,
					secretKey: "sesame", roots: authority.Pool()}.try
			}
			expectWorks(t, at(address, "openim"))
			for key, want := range map[string]struct {
				reason  termination.StoreReason
				message string
			}{
				"nobody":   {termination.AuthenticationFailed, "access key or secret key is wrong"},
				"forger":   {termination.AuthenticationFailed, "access key or secret key is wrong"},
				"reader":   {termination.PermissionDenied, "list, read and write"},
				"homeless": {termination.BucketMissing, "there is no such bucket"},
				"abroad":   {termination.BucketMissing, "another region"},
				"late":     {termination.AuthenticationFailed, "clocks"},
				"unlucky":  {termination.Unreachable, "does not work now"},
				"other":    {termination.UnexpectedProtocol, "not an object store of this kind"},
			} {
				expectFailure(t, at(address, key), want.reason, want.message)
			}
			expectFailure(t, at(refused(t), "openim"), termination.Unreachable, "refused")
			expectFailure(t, at(https(t), "openim"), termination.CertificateNotTrusted, "another authority")
		})
	}
}

// OpenIM's client of MinIO has no key for an authority: it is one of those that the system trusts.
func TestMinIOWithTLS(t *testing.T) {
	server := startFakeS3(t, defaultRegion)
	plain := strings.TrimPrefix(server.url, "http://")
	ours, foreign := certtest.New(t), certtest.New(t)
	front := func(by *certtest.Authority, lifetime time.Duration) string {
		return certtest.Front(t, certtest.Server(t, by.Issue(lifetime), nil), plain)
	}
	try := func(address string) tryFunc {
		return objectStorage{kind: kindMinIO, address: "https://" + address, bucket: "bucket", accessKey: "openim", secretKey: "right",
			roots: ours.Pool()}.try
	}
	expectFailure(t, try(front(foreign, time.Hour)), termination.CertificateNotTrusted, "another authority")
	expectFailure(t, try(front(ours, -time.Hour)), termination.CertificateNotTrusted, "has expired")
	expectFailure(t, try(plain), termination.UnexpectedProtocol, "does not speak TLS: remove tls")
	expectFailure(t, try(silent(t)), termination.Unreachable, "")
	expectFailure(t, try(refused(t)), termination.Unreachable, "refused")
	expectFailure(t, objectStorage{address: "http://" + front(ours, time.Hour), bucket: "bucket"}.try, termination.TLSRequired, "expects TLS")
	expectWorks(t, try(front(ours, time.Hour)))
}

// An old server whose highest version is TLS 1.1 is named, too.
func TestAnObjectStoreWithAnOldVersionOfTLS(t *testing.T) {
	ours := certtest.New(t)
	config := certtest.Server(t, ours.Issue(time.Hour), nil)
	config.MinVersion, config.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	address := certtest.Front(t, config, strings.TrimPrefix(startFakeS3(t, defaultRegion).url, "http://"))
	expectFailure(t, objectStorage{kind: kindMinIO, address: "https://" + address, bucket: "bucket", roots: ours.Pool()}.try,
		termination.AuthenticationFailed, "version of TLS")
}
