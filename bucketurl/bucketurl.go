package bucketurl

import (
	"net/url"
	"strings"
)

// AWS returns the URL of a bucket of Amazon S3: the bucket is part of the host, or of the path when it has dots, which no certificate of
// AWS covers. Example: https://chat.s3.eu-central-1.amazonaws.com
func AWS(region, bucket string) string {
	host := "s3." + region + ".amazonaws.com"
	if strings.HasPrefix(region, "cn-") {
		host += ".cn"
	}
	if strings.Contains(bucket, ".") {
		return "https://" + host + "/" + bucket
	}
	return "https://" + bucket + "." + host
}

// InHost returns the URL of a bucket at an endpoint of OSS or Kodo, whose clients put the bucket before the endpoint's host. It returns an
// empty string for an endpoint that is not a URL with a host. Example: https://chat.oss-cn-chengdu.aliyuncs.com
func InHost(endpoint, bucket string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return ""
	}
	u.Host = bucket + "." + u.Host
	return u.String()
}
