package bucketurl_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/bucketurl"
)

// Each URL was written by OpenIM's own package for the kind, as the beginning of a signed URL.
func TestURLsAreThoseOfOpenIMsClients(t *testing.T) {
	g := NewWithT(t)
	g.Expect(bucketurl.AWS("us-east-1", "bucket")).To(Equal("https://bucket.s3.us-east-1.amazonaws.com"))
	g.Expect(bucketurl.AWS("eu-central-1", "a.b.c")).To(Equal("https://s3.eu-central-1.amazonaws.com/a.b.c"))
	g.Expect(bucketurl.AWS("cn-north-1", "bucket")).To(Equal("https://bucket.s3.cn-north-1.amazonaws.com.cn"))
	g.Expect(bucketurl.InHost("https://oss-cn-chengdu.aliyuncs.com", "bucket")).To(Equal("https://bucket.oss-cn-chengdu.aliyuncs.com"))
	g.Expect(bucketurl.InHost("https://s3.cn-south-1.qiniucs.com:8443", "b")).To(Equal("https://b.s3.cn-south-1.qiniucs.com:8443"))
	for _, none := range []string{"", "oss-cn-chengdu.aliyuncs.com", "://", "https:///x", "%"} {
		g.Expect(bucketurl.InHost(none, "bucket")).To(BeEmpty(), none)
	}
}
