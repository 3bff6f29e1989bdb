package controllers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
)

// Prefixes of changes that add to spec.push, to spec.webhooks, and hooks at a Service to spec.webhooks.
const (
	withPush     = "version: v3.8.3 => version: v3.8.3\n  push: "
	withWebhooks = "version: v3.8.3 => version: v3.8.3\n  webhooks: "
	withHooks    = withWebhooks + "{serviceRef: {name: moderation, port: 80}, via: OpenIM, hooks: "
	// online is a hook of spec.webhooks.
	online = "via: OpenIM, hooks: [{name: afterUserOnline}]}"
)

// withFiles is the prefix of changes that add an object store.
const withFiles = "etcd: => objectStorage: "

var _ = Describe("The API server", func() {
	onlyHost := "must be https:// with only a host"
	DescribeTable(
		"refuses for object storage", refusedStorage,
		Entry("no kind", "{}", "objectStorage needs exactly one of minio, aws, cos, oss and kodo"),
		Entry("two kinds", "{aws: {region: eu-central-1, bucket: chat, credentialsRef: {name: a}}, "+
			"cos: {bucketURL: 'https://a.example.com', credentialsRef: {name: a}}}", "remove objectStorage to have none"),
		Entry("AWS without a region", "{aws: {bucket: chat, credentialsRef: {name: a}}}", "aws.region", "Required"),
		Entry("a region that is a host", "{aws: {region: 'eu.example.com', bucket: chat, credentialsRef: {name: a}}}",
			"for example eu-central-1"),
		Entry("a bucket that is a path", "{aws: {region: eu-central-1, bucket: chat/x, credentialsRef: {name: a}}}", "a bucket must be a name"),
		Entry("a bucket in capitals", "{aws: {region: eu-central-1, bucket: Chat, credentialsRef: {name: a}}}", "lower-case letters"),
		Entry("AWS without credentials", "{aws: {region: eu-central-1, bucket: chat}}", "aws.credentialsRef", "Required"),
		Entry("another endpoint of AWS", "{aws: {region: eu-central-1, bucket: chat, endpoint: 'https://a', credentialsRef: {name: a}}}",
			"aws.endpoint"),
		Entry("a cloud without encryption", "{cos: {bucketURL: 'http://a.example.com', credentialsRef: {name: a}}}", "cos.bucketURL", onlyHost),
		Entry("a cloud with a path", "{cos: {bucketURL: 'https://a.example.com/x', credentialsRef: {name: a}}}", onlyHost),
		Entry("a cloud with a user", "{cos: {bucketURL: 'https://a:b@example.com', credentialsRef: {name: a}}}", onlyHost),
		Entry("a cloud of two lines", `{cos: {bucketURL: "https://a.example.com\nx: y", credentialsRef: {name: a}}}`, onlyHost),
		Entry("access of no name", "{cos: {bucketURL: 'https://a.example.com', access: Open, credentialsRef: {name: a}}}",
			"cos.access", "Signed"),
		Entry("OSS without a bucket", "{oss: {endpoint: 'https://a.example.com', bucketURL: 'https://b.example.com', "+
			"credentialsRef: {name: a}}}", "oss.bucket", "Required"),
		Entry("access to Kodo, which OpenIM does not read", "{kodo: {endpoint: 'https://a.example.com', bucketURL: 'https://b.example.com', "+
			"bucket: chat, access: Public, credentialsRef: {name: a}}}", "kodo.access"),
		Entry("the port of no peers", "{peerPort: 443, aws: {region: eu-central-1, bucket: chat, credentialsRef: {name: a}}}",
			"objectStorage.peerPort is the port of peers"),
	)

	// As in validation_test.go: a mistake, the change that makes it, and texts of the refusal.
	DescribeTable(
		"refuses for push and webhooks", refused,
		Entry("push by nobody", withPush+"{}", "spec.push", "push needs exactly one of fcm, getui and jpush"),
		Entry("push by two vendors", withPush+"{fcm: {credentialsRef: {name: a, key: b}}, jpush: {credentialsRef: {name: a}}}",
			"push needs exactly one of fcm, getui and jpush"),
		Entry("FCM without a key", withPush+"{fcm: {credentialsRef: {name: a}}}", "spec.push.fcm.credentialsRef.key", "Required"),
		Entry("FCM without credentials", withPush+"{fcm: {}}", "spec.push.fcm.credentialsRef", "Required"),
		Entry("GeTui without a URL", withPush+"{getui: {credentialsRef: {name: a}}}", "spec.push.getui.url", "Required"),
		Entry("GeTui with a slash at the end", withPush+"{getui: {url: 'https://restapi.getui.com/v2/app/', credentialsRef: {name: a}}}",
			"getui.url must not end with a slash", "https://restapi.getui.com/v2/<appId>"),
		Entry("keys of a vendor without encryption", withPush+"{jpush: {url: 'http://api.jpush.cn/v3/push', credentialsRef: {name: a}}}",
			"spec.push.jpush.url", "must be an https URL"),
		Entry("keys of a vendor in its URL", withPush+"{jpush: {url: 'https://key:secret@api.jpush.cn', credentialsRef: {name: a}}}",
			"without user, query and fragment"),
		Entry("a vendor's URL of two lines", withPush+`{jpush: {url: "https://api.jpush.cn/\nenable: fcm", credentialsRef: {name: a}}}`,
			"must be an https URL"),
		Entry("a vendor's URL without a host", withPush+"{jpush: {url: 'https:///v3/push', credentialsRef: {name: a}}}",
			"must be an https URL"),
		Entry("an intent of two lines", withPush+`{jpush: {intent: "a\nb", credentialsRef: {name: a}}}`,
			"one line without control characters"),
		Entry("an intent that turns its direction", withPush+`{jpush: {intent: "a\u202eb", credentialsRef: {name: a}}}`,
			"characters that hide text or turn its direction"),
		Entry("Apple's service of no name", withPush+"{jpush: {apns: Sandbox, credentialsRef: {name: a}}}",
			"spec.push.jpush.apns", "Production"),
		Entry("the port of no peers", withPush+"{peerPort: 443, jpush: {credentialsRef: {name: a}}}", "push.peerPort is the port of peers"),
		Entry("too many peers", withPush+"{jpush: {credentialsRef: {name: a}}, peers: ["+strings.Repeat("{podSelector: {}},", 65)+"]}",
			"spec.push.peers", "at most 64"),
		Entry("webhooks nowhere", withWebhooks+"{"+online, "webhooks needs exactly one of serviceRef and url"),
		Entry("webhooks at two places", withWebhooks+
			"{serviceRef: {name: a, port: 80}, url: 'https://a.example.com', "+online,
			"webhooks needs exactly one of serviceRef and url"),
		Entry("webhooks of nobody", withWebhooks+"{serviceRef: {name: a, port: 80}, hooks: [{name: afterUserOnline}]}",
			"spec.webhooks.via", "Required"),
		Entry("webhooks by a component that is not there", withWebhooks+
			"{serviceRef: {name: a, port: 80}, via: Wrapper, hooks: [{name: afterUserOnline}]}",
			"spec.webhooks.via", `"OpenIM"`),
		Entry("no hook", withHooks+"[]}", "spec.webhooks.hooks", "at least 1"),
		Entry("a hook that no code calls", withHooks+"[{name: afterUserKickOff}]}", "hooks[0].name", "beforeSendSingleMsg"),
		Entry("a hook twice", withHooks+"[{name: afterUserOnline}, {name: afterUserOnline}]}", "hooks[1]", "Duplicate"),
		Entry("a hook for ever", withHooks+"[{name: afterUserOnline, timeoutSeconds: 16}]}", "timeoutSeconds", "less than or equal to 15"),
		Entry("a hook at once", withHooks+"[{name: afterUserOnline, timeoutSeconds: 0}]}", "timeoutSeconds", "greater than or equal to 1"),
		Entry("types of messages of another hook", withHooks+"[{name: afterUserOnline, contentTypes: ['101']}]}",
			"belong to the hooks of sending"),
		Entry("users of another hook", withHooks+"[{name: beforeSendSingleMsg, userIDs: [alice]}]}", "hooks[].userIDs belongs to"),
		Entry("types that are no numbers", withHooks+"[{name: beforeSendSingleMsg, contentTypes: [text]}]}", "for example 101 or 101-120"),
		Entry("types that descend", withHooks+"[{name: beforeSendSingleMsg, contentTypes: ['120-101']}]}", "a range that ascends"),
		Entry("a user of two lines", withHooks+`[{name: afterSendSingleMsg, userIDs: ["a\nb"]}]}`, "userIDs[0]"),
		Entry("webhooks without encryption", withWebhooks+"{url: 'http://a.example.com', "+online,
			"webhooks.url must be an https URL"),
		Entry("webhooks with a slash at the end", withWebhooks+"{url: 'https://a.example.com/', "+online,
			"a slash at the end"),
		Entry("a Service of a name that is none", withWebhooks+"{serviceRef: {name: 'a.b', port: 80}, "+online,
			"serviceRef.name must be the name of a Service"),
		Entry("a path that climbs", withWebhooks+"{serviceRef: {name: a, port: 80, path: '/a/?b'}, "+online,
			"serviceRef.path must begin with a slash"),
	)
})

// refusedStorage expects that a stack with an object store is refused.
func refusedStorage(ctx context.Context, storage string, says ...string) {
	refused(ctx, withFiles+storage+"\n    etcd:", says...)
}
