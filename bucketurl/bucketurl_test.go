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

// One bucket has one name, however it is written.
func TestABucketHasOneNameAtAllEndpoints(t *testing.T) {
	for want, spellings := range map[string][][2]string{
		"s3.amazonaws.com chat": {
			{"chat.s3.eu-central-1.amazonaws.com", "chat"}, {"s3.eu-central-1.amazonaws.com", "chat"}, {"S3.EU-central-1.amazonaws.com.", "chat"},
			{"s3-eu-west-1.amazonaws.com", "chat"}, {"s3.dualstack.eu-west-1.amazonaws.com", "chat"}, {"s3.amazonaws.com", "chat"},
			{"chat.s3.amazonaws.com", ""},
		},
		"s3.amazonaws.com a.b":     {{"s3.eu-central-1.amazonaws.com", "a.b"}, {"a.b.s3.eu-central-1.amazonaws.com", ""}},
		"s3.amazonaws.com.cn chat": {{"chat.s3.cn-north-1.amazonaws.com.cn", "chat"}, {"s3.cn-north-1.amazonaws.com.cn", "chat"}},
		"oss.aliyuncs.com chat": {
			{"chat.oss-cn-chengdu.aliyuncs.com", "chat"}, {"chat.oss-cn-chengdu-internal.aliyuncs.com", "chat"},
			{"oss-cn-chengdu.aliyuncs.com", "chat"}, {"vpc100-oss-cn-chengdu.aliyuncs.com", "chat"}, {"chat.oss-accelerate.aliyuncs.com", "chat"},
		},
		"cos.ap-chengdu.myqcloud.com chat-1250000000": {
			{"chat-1250000000.cos.ap-chengdu.myqcloud.com", ""}, {"chat-1250000000.cos-internal.ap-chengdu.tencentcos.cn", ""},
		},
		"s3.cn-south-1.qiniucs.com chat": {{"chat.s3.cn-south-1.qiniucs.com", "chat"}, {"s3-cn-south-1.qiniucs.com", "chat"}},
	} {
		for _, s := range spellings {
			g := NewWithT(t)
			service, name, ok := bucketurl.Global(s[0], s[1])
			g.Expect(ok).To(BeTrue(), "%q", s)
			g.Expect(service+" "+name).To(Equal(want), "%q", s)
		}
	}
	// The names of others: a foreign domain, and one that only looks like a cloud's.
	for _, s := range [][2]string{
		{"files.example.com", "chat"}, {"s3.infra.svc", "chat"}, {"amazonaws.com", "chat"}, {"s3.amazonaws.com.example.com", "chat"},
		{"xs3.eu-central-1.amazonaws.com", "chat"}, {"s3.eu-central-1.amazonaws.com", ""}, {"cos.ap-chengdu.myqcloud.com", ""}, {"", ""},
		{"192.0.2.1", "chat"}, {"oss-.example.aliyuncs.com.", "chat"},
	} {
		_, _, ok := bucketurl.Global(s[0], s[1])
		NewWithT(t).Expect(ok).To(BeFalse(), "%q", s)
	}
}
