package controllers_test

import (
	"context"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// withKafka is the prefix of changes that add to spec.dependencies.kafka.
const withKafka = "kafka: {brokers: => kafka: {"

// inRedis is the prefix of changes that replace what spec.dependencies.redis has.
const inRedis = `addresses: ["redis.infra.svc:6379"] => `

// aKafka is a reference to a Kafka of Strimzi, aSecret one to a Secret, aDatabase one to an object that names a Secret.
const (
	aKafka    = "resourceRef: {apiVersion: kafka.strimzi.io/v1, kind: Kafka, name: events}"
	aSecret   = "resourceRef: {apiVersion: v1, kind: Secret, name: r}"
	aDatabase = "resourceRef: {apiVersion: databases.example.com/v1, kind: Database, name: r, namespace: databases}"
)

// inWrappersRedis is a change that replaces what spec.wrapper.redis of withUsers has.
const inWrappersRedis = withUsers + "{audience: 'https://im.example.com'} ;; addresses: ['redis-wrapper.infra.svc:6379'], " +
	"credentialsRef: {name: redis-wrapper} => "

var _ = Describe("The API server", func() {
	// As in validation_test.go: a mistake, the change that makes it, and texts of the refusal.
	DescribeTable(
		"refuses for stores", refused,
		Entry("a mechanism without credentials", withKafka+"saslMechanism: PLAIN, brokers:", "spec.dependencies.kafka",
			"write credentialsRef, or remove saslMechanism"),
		Entry("a mechanism that Kafka does not have", withKafka+"credentialsRef: {name: k}, saslMechanism: PLAINTEXT, brokers:",
			"saslMechanism", "SCRAM-SHA-512"),
		Entry("an authority that nobody asks", withKafka+"tls: {verification: None, caSecretRef: {name: k, key: c}}, brokers:",
			"kafka.tls", "None ignores the authority"),
		Entry("topics made by nobody", withKafka+"topics: {management: None}, brokers:", "topics.management", "Create"),
		Entry("a number of partitions of others' topics", withKafka+"topics: {partitions: 8}, brokers:", "kafka.topics",
			"write management: Create, or remove them"),
		Entry("a number of copies of others' topics", withKafka+"topics: {management: Existing, replication: 3}, brokers:", "kafka.topics",
			"write management: Create, or remove them"),
		Entry("topics without partitions", withKafka+"topics: {management: Create, partitions: 0}, brokers:", "topics.partitions", "1"),
		Entry("more partitions than are sensible", withKafka+"topics: {management: Create, partitions: 1001}, brokers:",
			"topics.partitions", "1000"),
		Entry("no Kafka", `brokers: ["kafka.infra.svc:9092"] => saslMechanism: PLAIN`, "spec.dependencies.kafka",
			"exactly one of brokers and resourceRef"),
		Entry("a Kafka in two ways", withKafka+aKafka+", brokers:", "spec.dependencies.kafka", "exactly one of brokers and resourceRef"),
		Entry("a login beside a reference", inRedis+"resourceRef: {apiVersion: v1, kind: Secret, name: r}, tls: {}",
			"spec.dependencies.redis", "remove credentialsRef and tls"),
		Entry("a listener of a Secret", inRedis+"resourceRef: {apiVersion: v1, kind: Secret, name: r, listener: tls}",
			"redis.resourceRef", "belong to kind Kafka of Strimzi"),
		Entry("an object without a kind", withKafka+"resourceRef: {apiVersion: v1, name: r}, brokers:", "kafka.resourceRef.kind", "Required"),
		Entry("more copies than are sensible", withKafka+"topics: {management: Create, replication: 11}, brokers:", "topics.replication", "10"),
	)

	DescribeTable(
		"accepts for stores", func(ctx context.Context, change string) {
			Expect(try(ctx, strings.Split(change, " ;; ")...)).To(Succeed())
		},
		Entry("a Kafka of Strimzi", `brokers: ["kafka.infra.svc:9092"] => `+aKafka),
		Entry("a listener and a user of Strimzi", `brokers: ["kafka.infra.svc:9092"] => resourceRef: {apiVersion: kafka.strimzi.io/v1, `+
			"kind: Kafka, name: events, namespace: kafka, listener: tls, user: openim}"),
		Entry("a Secret for Kafka", `brokers: ["kafka.infra.svc:9092"] => `+aSecret),
		Entry("a Secret for Redis", inRedis+aSecret),
		Entry("a Secret for Redis beside one of the wrapper's", inRedis+aSecret+" ;; "+withUsers+"{audience: 'https://im.example.com'}"),
		Entry("a Secret for the wrapper's Redis", inWrappersRedis+aSecret),
		Entry("a Secret for each Redis", inRedis+aSecret+" ;; "+inWrappersRedis+aDatabase),
		Entry("a Secret for MongoDB", `addresses: ["mongodb.infra.svc:27017"] => `+aSecret),
		Entry("an object for MongoDB, with a place to look for its user",
			`addresses: ["mongodb.infra.svc:27017"] => authSource: admin, `+aDatabase),
		Entry("an object for the wrapper's MongoDB", withGuard+"mongodb: {"+aDatabase+"}\n"),
	)
})
