package preflight

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// fakeS3 verifies signatures by its own code, and answers as S3 does: HEAD without a body.
type fakeS3 struct {
	url    string
	region string
	status atomic.Int32 // of requests with a valid signature; 0 for the ordinary one
}

func startFakeS3(t *testing.T, region string) *fakeS3 {
	t.Helper()
	s := &fakeS3{region: region}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	return s
}

func (s *fakeS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key, region, valid := signature(r, "right")
	code, status := "", http.StatusOK
	switch {
	case key != "openim" && key != "reader":
		code, status = "InvalidAccessKeyId", http.StatusForbidden
	case !valid:
		code, status = "SignatureDoesNotMatch", http.StatusForbidden
	case region != s.region:
		w.Header().Set("X-Amz-Bucket-Region", s.region)
		code, status = "PermanentRedirect", http.StatusMovedPermanently
	case key == "reader":
		code, status = "AccessDenied", http.StatusForbidden
	case r.URL.Path != "/bucket":
		code, status = "NoSuchBucket", http.StatusNotFound
	case s.status.Load() != 0:
		code, status = "InternalError", int(s.status.Load())
	}
	w.WriteHeader(status)
	if r.Method != http.MethodHead && code != "" {
		_, _ = fmt.Fprintf(w, `<?xml version="1.0"?><Error><Code>%s</Code><Message>sesame text of the server</Message></Error>`, code)
	}
}

// signature returns the access key and the region of a request, and whether it was signed with the secret (Signature Version 4).
func signature(r *http.Request, secret string) (key, region string, valid bool) {
	fields := map[string]string{}
	for part := range strings.SplitSeq(strings.TrimPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	scope := strings.SplitN(fields["Credential"], "/", 2)
	if len(scope) != 2 {
		return "", "", false
	}
	parts := strings.Split(scope[1], "/")
	if len(parts) != 4 || parts[2] != "s3" || parts[3] != "aws4_request" {
		return scope[0], "", false
	}
	canonical := r.Method + "\n" + r.URL.EscapedPath() + "\n" + r.URL.RawQuery + "\n"
	for name := range strings.SplitSeq(fields["SignedHeaders"], ";") {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		canonical += name + ":" + value + "\n"
	}
	canonical += "\n" + fields["SignedHeaders"] + "\n" + r.Header.Get("X-Amz-Content-Sha256")
	hash := sha256.Sum256([]byte(canonical))
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + scope[1] + "\n" + hex.EncodeToString(hash[:])
	mac := []byte("AWS4" + secret)
	for _, step := range append(parts, text) {
		h := hmac.New(sha256.New, mac)
		h.Write([]byte(step))
		mac = h.Sum(nil)
	}
	return scope[0], parts[1], hex.EncodeToString(mac) == fields["Signature"]
}

func TestObjectStorage(t *testing.T) {
	addressCases(t, func(address string) tryFunc {
		return objectStorage{address: "http://" + address, bucket: "bucket", accessKey: "openim", secretKey: "sesame"}.try
	})
	expectFailure(t, objectStorage{address: "https://" + https(t), bucket: "bucket"}.try,
		termination.CertificateNotTrusted, "another authority")
	expectFailure(t, objectStorage{address: "https://" + startFakeS3(t, defaultRegion).url[len("http://"):], bucket: "bucket"}.try,
		termination.UnexpectedProtocol, "does not speak TLS")
	expectFailure(t, objectStorage{address: "sesame", bucket: "bucket"}.try, termination.Unreachable, "address is not valid")
}

func TestObjectStorageWithUsers(t *testing.T) {
	g := NewWithT(t)
	for _, region := range []string{defaultRegion, "eu-central-1"} {
		server := startFakeS3(t, region)
		as := func(key, secret, bucket string) tryFunc {
			return objectStorage{address: server.url, bucket: bucket, accessKey: key, secretKey: secret}.try
		}
		g.Expect(expectWorks(t, as("openim", "right", "bucket"))).To(BeEmpty())
		g.Expect(expectWorks(t, as("openim", "right", "another"))).To(ConsistOf(ContainSubstring("the bucket is missing")))
		expectFailure(t, as("openim", "sesame", "bucket"), termination.AuthenticationFailed, "wrong")
		expectFailure(t, as("nobody", "sesame", "bucket"), termination.AuthenticationFailed, "wrong")
		expectFailure(t, as("reader", "right", "bucket"), termination.PermissionDenied, "list, read and write")
		server.status.Store(http.StatusServiceUnavailable)
		expectFailure(t, as("openim", "right", "bucket"), termination.Unreachable, "does not work now")
		server.status.Store(http.StatusTeapot)
		expectFailure(t, as("openim", "right", "bucket"), termination.UnexpectedProtocol, "not an object store")
		server.status.Store(0)
		expectWorks(t, as("openim", "right", "bucket"))
	}
}
