package preflight

import (
	"context"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // COS and OSS sign with HMAC-SHA1, and OpenIM's clients have no other way
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// Kinds of object stores, as object.enable names them.
const (
	kindMinIO = "minio"
	kindAWS   = "aws"
	kindCOS   = "cos"
	kindOSS   = "oss"
	kindKodo  = "kodo"
)

// probedObject is an object that nobody makes. OpenIM asks for such an object before each upload, and must be told that it does not exist.
const probedObject = "openim/preflight"

// signedFor is how long a signature of COS is valid.
const signedFor = 10 * time.Minute

// cloud checks the bucket of a cloud, which OpenIM does not make, with the signature that OpenIM's client of the kind uses.
func (s objectStorage) cloud(ctx, calls context.Context, client *http.Client, bucket *url.URL) *failure {
	status, code, _, err := s.call(calls, client, http.MethodGet, bucket.JoinPath(probedObject), s.region)
	if err != nil {
		return s.failure(ctx, calls, bucket, err)
	}
	elsewhere := failed(termination.BucketMissing, "the bucket is in another region: correct the region or the endpoint")
	switch {
	case status == http.StatusOK, code == "NoSuchKey":
		return nil
	case code == "NoSuchBucket":
		return failed(termination.BucketMissing, "there is no such bucket: make it, or correct its name")
	case code == "PermanentRedirect", code == "TemporaryRedirect", s.kind == kindAWS && code == "AuthorizationHeaderMalformed",
		status == http.StatusMovedPermanently && code == "":
		return elsewhere
	case status == http.StatusForbidden, status == http.StatusUnauthorized, status == http.StatusBadRequest && code != "":
		return refusedBy(code)
	case status >= http.StatusInternalServerError:
		return failed(termination.Unreachable, "the object store answers that it does not work now: check it")
	}
	return failed(termination.UnexpectedProtocol, "what answers at the address is not an object store of this kind: check region or endpoint")
}

// sign signs a request without a body as OpenIM's client of the kind does.
func (s objectStorage) sign(ctx context.Context, r *http.Request, region string, now time.Time) error {
	switch s.kind {
	case kindCOS:
		signCOS(r, s.accessKey, s.secretKey, now)
		return nil
	case kindOSS:
		signOSS(r, s.bucket, s.accessKey, s.secretKey, now)
		return nil
	case kindMinIO, kindAWS, kindKodo, "":
		r.Header.Set("X-Amz-Content-Sha256", emptyHash)
		credentials := aws.Credentials{AccessKeyID: s.accessKey, SecretAccessKey: s.secretKey, SessionToken: s.session}
		signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
		return signer.SignHTTP(ctx, credentials, r, emptyHash, "s3", region, now)
	}
	return errors.New("the kind of object store is unknown")
}

// signOSS adds the signature of Alibaba Cloud's OSS, version 1. Source: github.com/aliyun/aliyun-oss-go-sdk, oss/auth.go.
func signOSS(r *http.Request, bucket, id, secret string, now time.Time) {
	date := now.UTC().Format(http.TimeFormat)
	resource := "/" + bucket + r.URL.Path
	if r.URL.RawQuery != "" {
		resource += "?" + r.URL.RawQuery
	}
	text := strings.Join([]string{r.Method, "", "", date, resource}, "\n")
	r.Header.Set("Date", date)
	r.Header.Set("Authorization", "OSS "+id+":"+base64.StdEncoding.EncodeToString(hmacSHA1([]byte(secret), text)))
}

// signCOS adds the signature of Tencent Cloud's COS, for a request without a query. Source: github.com/tencentyun/cos-go-sdk-v5, auth.go.
func signCOS(r *http.Request, id, secret string, now time.Time) {
	signCOSFor(r, id, secret, fmt.Sprintf("%d;%d", now.Unix(), now.Add(signedFor).Unix()))
}

// signCOSFor signs for a period: its first and its last second since 1970.
func signCOSFor(r *http.Request, id, secret, period string) {
	key := hex.EncodeToString(hmacSHA1([]byte(secret), period))
	request := strings.ToLower(r.Method) + "\n" + r.URL.Path + "\n\nhost=" + url.QueryEscape(r.Host) + "\n"
	hash := sha1.Sum([]byte(request)) //nolint:gosec // the form of the signature
	text := "sha1\n" + period + "\n" + hex.EncodeToString(hash[:]) + "\n"
	r.Header.Set("Authorization", fmt.Sprintf(
		"q-sign-algorithm=sha1&q-ak=%s&q-sign-time=%s&q-key-time=%s&q-header-list=host&q-url-param-list=&q-signature=%s",
		id, period, period, hex.EncodeToString(hmacSHA1([]byte(key), text))))
}

func hmacSHA1(key []byte, text string) []byte {
	mac := hmac.New(sha1.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
