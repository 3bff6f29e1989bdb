package controllers_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// valid is a stack as a user writes it. Each refusal below differs from it in the lines given.
const valid = `
apiVersion: openimstack.dev/v1alpha1
kind: OpenIMStack
metadata: {name: chat, namespace: default}
spec:
  version: v3.8.3
  dependencies:
    kafka: {brokers: ["kafka.infra.svc:9092"]}
    redis: {addresses: ["redis.infra.svc:6379"]}
    mongodb: {addresses: ["mongodb.infra.svc:27017"]}
    etcd: {endpoints: ["etcd.infra.svc:2379"]}
  wrapper:
    auth:
      admins:
        issuers:
        - issuer: https://id.example.com
          audiences: [im-admin]
          jwks: {secretRef: {name: jwks, key: jwks.json}}
          roles: {claim: groups, admin: [im-admins]}
`

// Prefixes of changes that let users log in, with everything that they need, and that add to spec.wrapper.
const (
	withUsers = "  wrapper:\n =>   wrapper:\n    redis: {addresses: ['redis-wrapper.infra.svc:6379'], credentialsRef: {name: " +
		"redis-wrapper}}\n ;;     auth:\n =>     auth:\n      users: "
	withGuard = "  wrapper:\n =>   wrapper:\n    "
)

// Prefixes of changes that add to spec.network, and that replace auth by an external wrapper or by something else.
const (
	withNetwork = "version: v3.8.3 => version: v3.8.3\n  network: "
	// withSettings adds to spec.settings.
	withSettings = "version: v3.8.3 => version: v3.8.3\n  settings: "
	withoutAuth  = `    auth:
      admins:
        issuers:
        - issuer: https://id.example.com
          audiences: [im-admin]
          jwks: {secretRef: {name: jwks, key: jwks.json}}
          roles: {claim: groups, admin: [im-admins]}
 =>     `
	own    = "externalRef: {podSelector: {matchLabels: {app: bridge}}}"
	out    = "extraEgress: [{name: fcm, components: [push], peers: [{ipBlock: {cidr: 192.0.2.0/24}}], ports: [{port: 443}], reason: phones}]"
	direct = "webSocket: Direct, webSocketClients: [{podSelector: {matchLabels: {app: bot}}}]"
)

// try sends a stack to the API server without storing it. The text after each => takes the place of the text before it.
func try(ctx context.Context, changes ...string) error {
	GinkgoHelper()
	text := valid
	for _, change := range changes {
		before, after, ok := strings.Cut(change, " => ")
		Expect(ok).To(BeTrue(), change)
		if strings.HasSuffix(before, "\n") {
			after = strings.TrimSuffix(after, "\n") + "\n"
		}
		Expect(text).To(ContainSubstring(before))
		text = strings.ReplaceAll(text, before, after)
	}
	var object unstructured.Unstructured
	Expect(yaml.Unmarshal([]byte(text), &object.Object)).To(Succeed(), text)
	return k8s.Create(ctx, &object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
}

// refused expects that a stack with changes is refused with some texts.
func refused(ctx context.Context, change string, says ...string) {
	GinkgoHelper()
	err := try(ctx, strings.Split(change, " ;; ")...)
	Expect(err).To(HaveOccurred())
	for _, text := range says {
		Expect(err.Error()).To(ContainSubstring(text))
	}
}

var _ = Describe("The API server", func() {
	It("accepts a valid stack", func(ctx context.Context) {
		Expect(try(ctx)).To(Succeed())
	})

	// Each entry is a mistake, the change that makes it, and texts of the refusal: the field, and what to write instead.
	DescribeTable(
		"refuses",
		refused,
		Entry("a name too long for its children", "name: chat, => name: "+strings.Repeat("a", 41)+",", "at most 40 characters",
			"write a shorter name"),
		Entry("a name that no Service may have", "name: chat, => name: 1.chat,", "start with a letter", "write for example chat"),
		Entry("no version", "version: v3.8.3 => suspend: false", "spec.version", "Required"),
		Entry("a version that is no release tag", "version: v3.8.3 => version: latest", "spec.version", "such as v3.8.3"),
		Entry("an address with a scheme", "redis.infra.svc:6379 => redis://redis.infra.svc:6379", "spec.dependencies.redis.addresses[0]",
			"host:port", "for example redis.infra.svc:6379"),
		Entry("an address without a port", "redis.infra.svc:6379 => redis.infra.svc", "spec.dependencies.redis.addresses[0]", "host:port"),
		Entry("a port that does not exist", "redis.infra.svc:6379 => redis.infra.svc:70000", "from 1 to 65535"),
		Entry("port 0", "kafka.infra.svc:9092 => kafka.infra.svc:0", "spec.dependencies.kafka.brokers[0]", "from 1 to 65535"),
		Entry("no address at all", `brokers: ["kafka.infra.svc:9092"] => brokers: []`, "spec.dependencies.kafka.brokers", "at least 1"),
		Entry("deletion at no time of cron", withSettings+"{retention: {schedule: daily}}", "spec.settings.retention.schedule",
			"must have the five fields of cron: write for example 0 2 * * *"),
		Entry("deletion in a time zone", withSettings+"{retention: {schedule: CRON_TZ=UTC 0 2 * * *}}", "five fields of cron"),
		Entry("messages that are kept for less than no time", withSettings+"{retention: {messageDays: -1}}", "greater than or equal to 0"),
		Entry("tokens of no duration", withSettings+"{tokenLifetimeDays: 0}", "spec.settings.tokenLifetimeDays", "greater than or equal to 1"),
		Entry("an event that OpenIM does not have", withSettings+"{notifications: [{name: groupExploded}]}", "notifications[0].name",
			"groupCreated"),
		Entry("an event twice", withSettings+"{notifications: [{name: memberQuit}, {name: memberQuit}]}", "notifications[1]", "Duplicate"),
		Entry("a file that overrides may not touch", withSettings+"{overrides: [{file: share.yml, values: {secret: x}}]}",
			"overrides[0].file", "redis.yml"),
		Entry("an override of nothing", withSettings+"{overrides: [{file: redis.yml, values: {}}]}", "overrides[0].values", "at least 1"),
		Entry("an override with an endless value",
			withSettings+"{overrides: [{file: redis.yml, values: {poolSize: '"+strings.Repeat("1", 65)+"'}}]}", "poolSize", "64"),
		Entry("a level that no log has", withSettings+"{log: {level: Loud}}", "spec.settings.log.level", "Warning"),
		Entry("a window that starts at no time of day",
			"version: v3.8.3 => version: v3.8.3\n  upgrade: {windows: [{start: '24:00', durationSeconds: 600}]}",
			"spec.upgrade.windows[0].start", "write for example 22:30"),
		Entry("a time zone that is a path",
			"version: v3.8.3 => version: v3.8.3\n  upgrade: {windows: [{start: '22:00', durationSeconds: 600, timeZone: ../etc/passwd}]}",
			"spec.upgrade.windows[0].timeZone", "write for example Europe/Berlin"),
		Entry("a window of no length", "version: v3.8.3 => version: v3.8.3\n  upgrade: {windows: [{start: '22:00', durationSeconds: 60}]}",
			"spec.upgrade.windows[0].durationSeconds", "600"),
		Entry("a window on no day of the week",
			"version: v3.8.3 => version: v3.8.3\n  upgrade: {windows: [{start: '22:00', durationSeconds: 600, days: [Mon]}]}",
			"spec.upgrade.windows[0].days[0]", "Monday"),
		Entry("the same broker twice", `["kafka.infra.svc:9092"] => ["kafka.infra.svc:9092", "kafka.infra.svc:9092"]`,
			"spec.dependencies.kafka.brokers", "Duplicate"),
		Entry("two addresses for one reference", `mongodb: {addresses: => mongodb: {uriRef: {name: m, key: uri}, addresses:`,
			"exactly one of uriRef, addresses and resourceRef", "remove the others"),
		Entry("no address for a reference", `mongodb: {addresses: ["mongodb.infra.svc:27017"]} => mongodb: {database: im}`,
			"exactly one of uriRef, addresses and resourceRef", "set one"),
		Entry("credentials beside a connection string",
			`mongodb: {addresses: ["mongodb.infra.svc:27017"]} => mongodb: {uriRef: {name: m, key: uri}, credentialsRef: {name: c}}`,
			"remove credentialsRef and authSource"),
		Entry(
			"a user of no Secret",
			`mongodb: {addresses: ["mongodb.infra.svc:27017"]} => mongodb: {addresses: ["mongodb.infra.svc:27017"], authSource: admin}`,
			"mongodb.authSource",
			"write credentialsRef, or remove authSource",
		),
		Entry(
			"MongoDB's own database",
			`mongodb: {addresses: ["mongodb.infra.svc:27017"]} => mongodb: {addresses: ["mongodb.infra.svc:27017"], database: admin}`,
			"spec.dependencies.mongodb.database",
			"write another name",
		),
		Entry("a number in a Redis Cluster",
			`redis: {addresses: ["redis.infra.svc:6379"]} => redis: {addresses: ["redis.infra.svc:6379", "redis.infra.svc:6380"], database: 1}`,
			"redis.database must be 0"),
		Entry("a number that no Redis has", `redis: {addresses: => redis: {database: 1024, addresses:`, "spec.dependencies.redis.database",
			"less than or equal to 1023"),
		Entry("a prefix that Kafka does not take", `kafka: {brokers: => kafka: {topics: {prefix: a/b}, brokers:`, "topics.prefix",
			"for example im-chat-"),
		Entry("a class of limits that the gateway has not", withGuard+"limits: {classes: [{name: frame, perSecond: 1, burst: 1, by: [User]}]}",
			"classes[0].name", "Unsupported value"),
		Entry("an invalid fingerprint", withUsers+"{audience: 'https://im.example.com', serverKeyFingerprint: 'sha256:ABC'}",
			"serverKeyFingerprint", "64 hexadecimal digits"),
		Entry("a peer of two kinds", `etcd: { => etcd: {peers: [{ipBlock: {cidr: 192.0.2.0/24}, podSelector: {}}], `,
			"spec.dependencies.etcd.peers[0]", "exactly one of the two kinds"),
		Entry("a peer of no kind", `etcd: { => etcd: {peers: [{}], `, "spec.dependencies.etcd.peers[0]", "exactly one of the two kinds"),
		Entry("a block that is no CIDR", `etcd: { => etcd: {peers: [{ipBlock: {cidr: 192.0.2.1}}], `, "for example 192.0.2.0/24"),
		Entry("an image with a tag", "version: v3.8.3 => version: v3.8.3\n  image: {repository: 'example.com:5000/openim:v1'}",
			"spec.image.repository", "the tag is spec.version"),
		Entry("an invalid digest", "version: v3.8.3 => version: v3.8.3\n  image: {digest: 'sha256:abc'}", "spec.image.digest",
			"64 hexadecimal digits"),
		Entry("a folder that is not absolute", "version: v3.8.3 => version: v3.8.3\n  image: {binaryDir: bin}", "spec.image.binaryDir",
			"for example /openim/bin"),
		Entry("an unknown pull policy", "version: v3.8.3 => version: v3.8.3\n  image: {pullPolicy: Sometimes}", "spec.image.pullPolicy",
			"IfNotPresent"),
		Entry("no issuer", "- issuer: https://id.example.com => - issuer: ''", "issuers[0].issuer", "at least 1"),
		Entry("no audience", "audiences: [im-admin] => audiences: []", "issuers[0].audiences", "at least 1"),
		Entry("a symmetric algorithm", "audiences: [im-admin] => audiences: [im-admin]\n          algorithms: [HS256]",
			"issuers[0].algorithms[0]", "ES256"),
		Entry("the algorithm none", "audiences: [im-admin] => audiences: [im-admin]\n          algorithms: [none]", "issuers[0].algorithms[0]"),
		Entry("no key set", "jwks: {secretRef: {name: jwks, key: jwks.json}} => jwks: {}", "issuers[0].jwks", "exactly one of secretRef and url"),
		Entry("two key sets", "jwks: {secretRef: => jwks: {url: 'https://id.example.com/keys', secretRef:", "issuers[0].jwks",
			"exactly one of secretRef and url"),
		Entry("a key set by http", "jwks: {secretRef: {name: jwks, key: jwks.json}} => jwks: {url: 'http://id.example.com/keys'}",
			"issuers[0].jwks.url", "for example https://id.example.com/jwks.json"),
		Entry("a key set by a URL with a query",
			"jwks: {secretRef: {name: jwks, key: jwks.json}} => jwks: {url: 'https://id.example.com/keys?a=b'}", "issuers[0].jwks.url",
			"without user, query and fragment"),
		Entry("authorities for a key set in a Secret", "jwks: {secretRef: => jwks: {caSecretRef: {name: ca, key: ca.crt}, secretRef:",
			"issuers[0].jwks", "belong to jwks.url"),
		Entry("peers for a key set in a Secret", "jwks: {secretRef: => jwks: {peers: [{ipBlock: {cidr: 192.0.2.0/24}}], secretRef:",
			"issuers[0].jwks", "belong to jwks.url"),
		Entry("no administrator", "admin: [im-admins] => admin: []", "roles.admin", "at least 1"),
		Entry("no replica", "version: v3.8.3 => version: v3.8.3\n  processes: {api: {replicas: 0}}", "spec.processes.api.replicas",
			"greater than or equal to 1"),
		Entry("two crontasks", "version: v3.8.3 => version: v3.8.3\n  processes: {cronTask: {replicas: 2}}", "unknown field", "replicas"),
		Entry("no client", "version: v3.8.3 => version: v3.8.3\n  network: {clients: []}", "spec.network.clients", "at least 1"),
		Entry("no administrators' client", "version: v3.8.3 => version: v3.8.3\n  network: {admins: []}", "spec.network.admins", "at least 1"),
		Entry("an exception outside of its block", `etcd: { => etcd: {peers: [{ipBlock: {cidr: 192.0.2.0/24, except: [198.51.100.0/25]}}], `,
			"peers[0].ipBlock", "a smaller block within it"),
		Entry("an exception of the other address family",
			`etcd: { => etcd: {peers: [{ipBlock: {cidr: 192.0.2.0/24, except: ['2001:db8::/64']}}], `, "peers[0].ipBlock",
			"a smaller block within it"),
		Entry("an exception of everything", `etcd: { => etcd: {peers: [{ipBlock: {cidr: 192.0.2.0/24, except: [192.0.2.0/24]}}], `,
			"peers[0].ipBlock", "a smaller block within it"),
		Entry("an invalid operator of a selector",
			`etcd: { => etcd: {peers: [{podSelector: {matchExpressions: [{key: a, operator: Is}]}}], `, "matchExpressions[0].operator", "NotIn"),
		Entry("a WebSocket without clients", withNetwork+"{webSocket: Direct}", "spec.network", "webSocketClients is needed",
			"There is no default", "send as another user"),
		Entry("a WebSocket for an empty list", withNetwork+"{webSocket: Direct, webSocketClients: []}", "webSocketClients", "at least 1"),
		Entry("clients of a WebSocket that is not opened", withNetwork+"{webSocketClients: [{podSelector: {}}]}",
			"only when network.webSocket is Direct", "write webSocket: Direct, or remove"),
		Entry("clients of a WebSocket that is proxied", withNetwork+"{webSocket: Proxied, webSocketClients: [{podSelector: {}}]}",
			"only when network.webSocket is Direct"),
		Entry("a WebSocket in some other way", withNetwork+"{webSocket: Open}", "spec.network.webSocket", "Proxied"),
		Entry("extra egress without a reason", withNetwork+"{"+strings.Replace(out, ", reason: phones", "", 1)+"}", "extraEgress[0].reason",
			"Required"),
		Entry("extra egress with a blank reason", withNetwork+"{"+strings.Replace(out, "reason: phones", "reason: '  '", 1)+"}",
			"extraEgress[0].reason", "must be one line that explains the entry"),
		Entry("extra egress with a reason of two lines", withNetwork+"{"+strings.Replace(out, "reason: phones", `reason: "a\nb"`, 1)+"}",
			"extraEgress[0].reason", "one line"),
		Entry("extra egress for no component", withNetwork+"{"+strings.Replace(out, "[push]", "[]", 1)+"}", "extraEgress[0].components",
			"at least 1"),
		Entry("extra egress for a component that does not exist", withNetwork+"{"+strings.Replace(out, "[push]", "[pusher]", 1)+"}",
			"extraEgress[0].components[0]", "rpc-msg"),
		Entry("extra egress to nowhere", withNetwork+"{"+strings.Replace(out, "[{ipBlock: {cidr: 192.0.2.0/24}}]", "[]", 1)+"}",
			"extraEgress[0].peers", "at least 1"),
		Entry(
			"extra egress by all ports",
			withNetwork+"{"+strings.Replace(out, "[{port: 443}]", "[]", 1)+"}",
			"extraEgress[0].ports",
			"at least 1",
		),
		Entry("extra egress by a port that does not exist", withNetwork+"{"+strings.Replace(out, "443", "70000", 1)+"}", "ports[0].port",
			"less than or equal to 65535"),
		Entry("extra egress by a protocol that no policy knows", withNetwork+"{"+strings.Replace(out, "{port: 443}", "{port: 443, protocol: "+
			"ICMP}",
			1)+"}", "ports[0].protocol", "UDP"),
		Entry("extra egress with an invalid name", withNetwork+"{"+strings.Replace(out, "name: fcm", "name: Push Vendor", 1)+"}",
			"extraEgress[0].name", "for example push-vendor"),
		Entry("extra egress twice", withNetwork+"{"+strings.Replace(out, "}]",
			"}, {name: fcm, components: [api], peers: [{podSelector: {}}], ports: [{port: 1}], reason: r}]", 1)+"}", "extraEgress"),
		Entry("names from a port that does not exist", withNetwork+"{dns: [{podSelector: {}, port: 0}]}", "dns[0].port",
			"greater than or equal to 1"),
		Entry("names from a peer of two kinds", withNetwork+"{dns: [{podSelector: {}, ipBlock: {cidr: 192.0.2.0/24}}]}", "dns[0]",
			"exactly one of the two kinds"),
		Entry("probes without pause", withNetwork+"{probe: {intervalSeconds: 1}}", "probe.intervalSeconds", "greater than or equal to 30"),
		Entry("neither auth nor an external wrapper", withoutAuth+"image: x\n", "spec.wrapper", "exactly one of auth and externalRef",
			"write auth.admins.issuers"),
		Entry("both auth and an external wrapper", withGuard+own, "spec.wrapper", "exactly one of auth and externalRef"),
		Entry("an external wrapper that is any pod", withoutAuth+"externalRef: {podSelector: {}}\n", "externalRef", "must name a label",
			"write for example matchLabels: {app: my-wrapper}"),
		Entry("an external wrapper that nothing selects", withoutAuth+"externalRef: {}\n", "externalRef.podSelector", "Required"),
		Entry("an external wrapper in any namespace",
			withoutAuth+"externalRef: {podSelector: {matchLabels: {app: bridge}}, namespaceSelector: {}}\n",
			"externalRef.namespaceSelector must name a label", "kubernetes.io/metadata.name"),
		Entry("a gateway beside an external wrapper", withoutAuth+own+"\n    gateway: {replicas: 2}\n", "spec.wrapper",
			"remove all other fields of wrapper, or externalRef"),
		Entry("limits beside an external wrapper",
			withoutAuth+own+"\n    limits: {classes: [{name: read, perSecond: 1, burst: 1, by: [User]}]}\n", "remove all other fields of wrapper"),
		Entry("clients of a gateway that is not there", withoutAuth+own+"\n ;; "+withNetwork+"{clients: [{podSelector: {}}]}",
			"network.clients and network.admins", "restrict access to your wrapper with your own NetworkPolicies"),
		Entry("extra egress for a gateway that is not there", withoutAuth+own+"\n ;; "+withNetwork+"{"+strings.Replace(out, "[push]",
			"[push, gateway]", 1)+"}", "names gateway or backend", "remove them from components"),
		Entry("users without a Redis for them", "    auth:\n =>     auth:\n      users: {audience: 'https://im.example.com'}\n", "spec.wrapper",
			"wrapper.redis is needed", "must not be OpenIM's", "full access to OpenIM"),
		Entry("OpenIM's Redis for users", "  wrapper:\n =>   wrapper:\n    redis: {addresses: ['other.infra.svc:6379', "+
			"'redis.infra.svc:6379'], credentialsRef: {name: r}}\n", "names an address of dependencies.redis", "write the address of another Redis"),
		Entry("a Redis without a password for users", "  wrapper:\n =>   wrapper:\n    redis: {addresses: ['redis-wrapper.infra.svc:6379']}\n",
			"wrapper.redis.credentialsRef is needed", "the key password"),
		Entry("no audience for users", withUsers+"{}", "users.audience", "Required"),
		Entry("an audience with a path", withUsers+"{audience: 'https://im.example.com/'}", "users.audience",
			"for example https://im.example.com"),
		Entry("an audience without a scheme", withUsers+"{audience: im.example.com}", "users.audience", "only scheme and host"),
		Entry("an origin with a path", withUsers+"{audience: 'https://a', origins: ['https://chat.example.com/x']}", "users.origins[0]",
			"for example https://chat.example.com"),
		Entry("an origin that is a pattern", withUsers+"{audience: 'https://a', origins: ['https://*.example.com']}", "users.origins[0]",
			"or * for any"),
		Entry("a proxy that is no block", withUsers+"{audience: 'https://a', trustedProxies: [10.0.0.1]}", "users.trustedProxies[0]",
			"for example 192.0.2.0/24"),
		Entry("a code that lives for an hour", withUsers+"{audience: 'https://a', enrolment: {codeLifetimeSeconds: 3600}}", "codeLifetimeSeconds",
			"less than or equal to 600"),
		Entry("a socket that anything opens", withUsers+"{audience: 'https://a', socketToken: Anything}", "users.socketToken", "TicketOnly"),
		Entry("a session idle for longer than it lives", withUsers+"{audience: 'https://a', session: {lifetimeSeconds: 60, idleSeconds: 61}}",
			"users.session", "must not exceed"),
		Entry("a session idle for longer than the default life", withUsers+"{audience: 'https://a', session: {idleSeconds: 86401}}",
			"users.session", "lower idleSeconds or raise lifetimeSeconds"),
		Entry("no sockets", withGuard+"gateway: {maxSockets: 0}", "gateway.maxSockets", "greater than or equal to 1"),
		Entry("a drain without end", withGuard+"gateway: {drainSeconds: 3600}", "gateway.drainSeconds", "less than or equal to 300"),
		Entry("a class that does not exist", withGuard+"limits: {classes: [{name: shout, perSecond: 1, burst: 1, by: [User]}]}",
			"limits.classes[0].name", "message"),
		Entry("a class twice", withGuard+"limits: {classes: [{name: read, perSecond: 1, burst: 1, by: [User]}, {name: read, perSecond: 2, "+
			"burst: 1, by: [User]}]}", "limits.classes[1]", "Duplicate"),
		Entry("a rate of nothing", withGuard+"limits: {classes: [{name: read, perSecond: 0, burst: 1, by: [User]}]}", "classes[0].perSecond",
			"more than 0"),
		Entry("a rate below nothing", withGuard+"limits: {classes: [{name: read, perSecond: '-1', burst: 1, by: [User]}]}",
			"classes[0].perSecond", "for example 5"),
		Entry("no burst", withGuard+"limits: {classes: [{name: read, perSecond: 1, burst: 0, by: [User]}]}", "classes[0].burst",
			"greater than or equal to 1"),
		Entry("a limit by nothing", withGuard+"limits: {classes: [{name: read, perSecond: 1, burst: 1, by: []}]}", "classes[0].by", "at least 1"),
		Entry("a limit by something else", withGuard+"limits: {classes: [{name: read, perSecond: 1, burst: 1, by: [Colour]}]}",
			"classes[0].by[0]", "Device"),
		Entry("a rule without a name", withGuard+"policy: {rules: [{expression: 'true', message: m}]}", "policy.rules[0].name", "Required"),
		Entry("a rule whose name is no name", withGuard+"policy: {rules: [{name: 'No Web', expression: 'true', message: m}]}",
			"policy.rules[0].name", "for example no-calls-at-night"),
		Entry("a rule that says nothing", withGuard+"policy: {rules: [{name: r, expression: '', message: m}]}", "policy.rules[0].expression",
			"at least 1"),
		Entry("a rule without a message", withGuard+"policy: {rules: [{name: r, expression: 'true'}]}", "policy.rules[0].message", "Required"),
		Entry("an audit trail to nowhere", withGuard+"audit: {output: Nowhere}", "audit.output", "Stdout"),
		Entry("a collector that is no URL", withGuard+"tracing: {endpoint: 'collector:4318'}", "tracing.endpoint",
			"for example http://otel-collector.monitoring.svc:4318"),
		Entry("more than all traces", withGuard+"tracing: {endpoint: 'http://c:4318', sampleRatio: '1.5'}", "tracing.sampleRatio", "from 0 to 1"),
		Entry("a share that is no text", withGuard+"tracing: {endpoint: 'http://c:4318', sampleRatio: 0.5}", "tracing.sampleRatio", "string"),
		Entry(
			"an external address with a path",
			`etcd: => objectStorage: {minio: {internalAddress: "minio:9000", externalAddress: "https://files.example.com/x", credentialsRef: {name: m}}}
    etcd:`,
			"externalAddress",
			"for example https://files.example.com",
		),
	)

	It("accepts users with all their settings", func(ctx context.Context) {
		Expect(
			try(
				ctx,
				strings.Split(
					withUsers+`{audience: "https://im.example.com:8443", origins: ["*", "https://chat.example.com"], trustedProxies: [10.0.0.0/8, "2001:db8::/32"],
        serverKeys: {secretRef: {name: keys}}, enrolment: {codeLifetimeSeconds: 60}, session: {lifetimeSeconds: 600, idleSeconds: 600}, socketToken: TicketOnly}`,
					" ;; ",
				)...),
		).To(Succeed())
		Expect(
			try(
				ctx,
				withGuard+`limits: {classes: [{name: login, perSecond: 500m, burst: 5, by: [IP]}, {name: message, perSecond: 20, burst: 100, by: [User, Device]}]}
    policy: {rules: [{name: no-web, expression: identity.platformID != 5, message: not from the web}]}
    audit: {}
    tracing: {endpoint: "http://collector:4318", sampleRatio: "1.0"}
    mongodb: {uriRef: {name: m, key: uri}}
    gateway: {maxSockets: 10, drainSeconds: 300}`,
			),
		).To(Succeed())
		Expect(try(ctx, "jwks: {secretRef: {name: jwks, key: jwks.json}} => jwks: {url: 'https://id.example.com/keys', caSecretRef: {name: "+
			"ca, key: ca.crt}, peers: [{ipBlock: {cidr: 192.0.2.0/24}}]}")).To(Succeed())
	})

	It("accepts all settings of the network", func(ctx context.Context) {
		Expect(try(ctx, withNetwork+"{"+direct+", "+out+", dns: [{podSelector: {}}, {ipBlock: {cidr: 169.254.20.10/32}, port: 5353}], probe: "+
			"{intervalSeconds: 30}}")).To(Succeed())
		Expect(
			try(ctx, withNetwork+"{webSocket: Proxied, clients: [{ipBlock: {cidr: '2001:db8::/32', except: ['2001:db8:1::/48']}}]}"),
		).To(Succeed())
		Expect(try(ctx, withNetwork+"{"+strings.Replace(out, "[push]",
			"[api, msggateway, msgtransfer, push, crontask, rpc-auth, rpc-conversation, rpc-friend, rpc-group, rpc-msg, rpc-third, rpc-user, "+
				"gateway, backend]", 1)+"}")).To(Succeed())
	})

	It("accepts an external wrapper", func(ctx context.Context) {
		Expect(try(ctx, withoutAuth+own+"\n")).To(Succeed())
		Expect(try(ctx, withoutAuth+"externalRef: {podSelector: {matchExpressions: [{key: app, operator: In, values: [a, b]}]}, "+
			"namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bridges}}}\n",
			withNetwork+"{"+direct+", "+out+", monitoring: [{podSelector: {}}]}")).To(Succeed())
	})

	It("accepts ports of a registry and IPv6 addresses", func(ctx context.Context) {
		Expect(try(ctx, "version: v3.8.3 => version: v3.8.3\n  image: {repository: 'example.com:5000/openim'}",
			"etcd.infra.svc:2379 => [2001:db8::1]:2379")).To(Succeed())
	})

	It("accepts every sample", func(ctx context.Context) {
		samples, err := filepath.Glob("../config/samples/*.yaml")
		Expect(err).NotTo(HaveOccurred())
		Expect(samples).NotTo(BeEmpty())
		for _, sample := range samples {
			text, err := os.ReadFile(sample)
			Expect(err).NotTo(HaveOccurred())
			for document := range strings.SplitSeq(string(text), "\n---\n") {
				var object unstructured.Unstructured
				Expect(yaml.Unmarshal([]byte(document), &object.Object)).To(Succeed(), sample)
				if object.GetKind() != "OpenIMStack" {
					continue
				}
				if object.GetNamespace() == "" {
					object.SetNamespace(metav1.NamespaceDefault)
				}
				namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: object.GetNamespace()}}
				Expect(client.IgnoreAlreadyExists(k8s.Create(ctx, namespace))).To(Succeed(), sample)
				Expect(k8s.Create(ctx, &object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))).To(Succeed(), sample)
			}
		}
	})
})

// Conditions report what the API server cannot validate.
var _ = Describe("A stack that the API server accepts but that cannot work", Ordered, func() {
	var w testEnv
	var database int32
	BeforeAll(func(ctx context.Context) {
		w = newTestEnv(context.WithoutCancel(ctx))
		startOperator()
	})

	DescribeTable("says so", func(name string, change func(*v1alpha1.OpenIMStackSpec), reason string, stalled bool, says ...string) {
		stack := w.stack(name)
		database++ // of its own: two stacks in one would be a fault of its own
		stack.Spec.Dependencies.Redis.Database = ptr.To(database)
		change(&stack.Spec)
		w.create(stack)
		Eventually(func(g Gomega) {
			ready := w.condition(name, v1alpha1.ConditionReady)
			g.Expect(ready).NotTo(BeNil())
			g.Expect(fmt.Sprint(ready.Status)).To(Equal("False"))
			g.Expect(ready.Reason).To(Equal(reason))
			for _, text := range says {
				g.Expect(ready.Message).To(ContainSubstring(text))
			}
			g.Expect(w.condition(name, v1alpha1.ConditionStalled) != nil).To(Equal(stalled))
			g.Expect(w.condition(name, v1alpha1.ConditionReconciling) != nil).To(Equal(!stalled))
		}).Should(Succeed())
		Expect(w.deployments(name)).To(BeEmpty())
	},
		Entry("unknown release", "release", func(s *v1alpha1.OpenIMStackSpec) { s.Version = "v3.9.0" },
			v1alpha1.ReasonUnsupportedVersion, true, "spec.version", "write v3.8.3"),
		Entry("missing Secret", "secret", func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.Redis.CredentialsRef.Name = "absent" },
			v1alpha1.ReasonSecretNotFound, false, "spec.dependencies.redis.credentialsRef", `Secret "absent" does not exist`, "create it"),
		Entry("missing key of a Secret", "key", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Auth.Admins.Issuers[0].JWKS.SecretRef.Key = "other"
		}, v1alpha1.ReasonSecretKeyNotFound, false, "issuers[0].jwks.secretRef", `no key "other"`, "add it"),
		Entry("missing Service", "service", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.Kafka.Brokers = []v1alpha1.Address{"kafka.absent.svc:9092"}
		}, v1alpha1.ReasonServiceNotFound, false, "spec.dependencies.kafka.brokers", "absent/kafka"),
		Entry("OpenIM's Redis for users, under another name", "redis", func(s *v1alpha1.OpenIMStackSpec) {
			letUsersIn(s)
			// Another Redis than that of the other stacks here: they would be refused when this stack is older. Stacks of the same second
			// are ordered by their UIDs.
			own := s.Wrapper.Redis.Addresses
			s.Dependencies.Redis.Addresses = own
			s.Wrapper.Redis.Addresses = []v1alpha1.Address{v1alpha1.Address(strings.Replace(string(own[0]), ".svc:", ".svc.cluster.local:", 1))}
		}, v1alpha1.ReasonInvalidSpec, true, "spec.wrapper.redis.addresses", "controls OpenIM"),
		Entry("a host that no policy can name", "peers", func(s *v1alpha1.OpenIMStackSpec) {
			s.Dependencies.Etcd.Endpoints = []v1alpha1.Address{"etcd.example.com:2379"}
		}, v1alpha1.ReasonPeersNeeded, true, "spec.dependencies.etcd.peers", "ipBlock"),
	)

	It("continues by itself when the missing Secret appears", func() {
		w.secret("absent", "password", "example")
		Eventually(func() int { return len(w.deployments("secret")) }).Should(Equal(14), func() string {
			return fmt.Sprintf("the stack says: %+v", w.getStack("secret").Status)
		})
	})
})
