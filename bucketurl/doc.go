// Package bucketurl returns the URLs at which OpenIM's clients of cloud object stores reach a bucket. It is pure.
//
// OpenIM is configured with a region or an endpoint, and its libraries make the host from it. Source: github.com/openimsdk/tools
// v0.0.50-alpha.113, packages s3/aws, s3/oss and s3/kodo; the tests hold what these packages answered.
package bucketurl
