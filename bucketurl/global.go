package bucketurl

import (
	"regexp"
	"strings"
)

// clouds are the forms of the hosts at which each cloud serves a bucket: its name, if it is part of the host, what the cloud calls the
// service, and the region. Sources: the pages about endpoints of the four vendors.
var clouds = []struct {
	host *regexp.Regexp
	// service is the common form of the hosts. $region is replaced where a cloud has one name in several regions.
	service string
}{
	{regexp.MustCompile(`^(?:(?P<bucket>.+)\.)?s3(?:[.-][a-z0-9.-]+)?\.amazonaws\.com$`), "s3.amazonaws.com"},
	{regexp.MustCompile(`^(?:(?P<bucket>.+)\.)?s3[.-][a-z0-9.-]+\.amazonaws\.com\.cn$`), "s3.amazonaws.com.cn"},
	{regexp.MustCompile(`^(?:(?P<bucket>.+)\.)?(?:[a-z0-9]+-)?oss-[a-z0-9-]+\.aliyuncs\.com$`), "oss.aliyuncs.com"},
	{regexp.MustCompile(`^(?P<bucket>[^.]+)\.cos(?:-internal)?\.(?P<region>[a-z0-9-]+)\.(?:myqcloud\.com|tencentcos\.cn)$`),
		"cos.${region}.myqcloud.com"},
	{regexp.MustCompile(`^(?:(?P<bucket>.+)\.)?s3[.-](?P<region>[a-z0-9-]+)\.qiniucs\.com$`), "s3.${region}.qiniucs.com"},
}

// Global returns the common name of a bucket at all endpoints of its cloud: public and internal ones, with the bucket in the host or in the
// path, and of OpenIM's kind for the cloud or of MinIO. bucket is empty when the host names it. ok is false for the host of no known cloud,
// such as a domain of the owner's. Example: chat.s3.eu-central-1.amazonaws.com is s3.amazonaws.com and chat.
func Global(host, bucket string) (service, name string, ok bool) {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, c := range clouds {
		match := c.host.FindStringSubmatchIndex(host)
		if match == nil {
			continue
		}
		if bucket == "" {
			bucket = string(c.host.ExpandString(nil, "${bucket}", host, match))
		}
		return string(c.host.ExpandString(nil, c.service, host, match)), bucket, bucket != ""
	}
	return "", "", false
}
