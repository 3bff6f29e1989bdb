package controllers_test

import . "github.com/onsi/ginkgo/v2"

// withKafka is the prefix of changes that add to spec.dependencies.kafka.
const withKafka = "kafka: {brokers: => kafka: {"

var _ = Describe("The API server", func() {
	// As in validation_test.go: a mistake, the change that makes it, and texts of the refusal.
	DescribeTable(
		"refuses for stores", refused,
		Entry("a mechanism of nobody", withKafka+"saslMechanism: PLAIN, brokers:", "spec.dependencies.kafka",
			"write credentialsRef, or remove saslMechanism"),
		Entry("a mechanism that Kafka does not have", withKafka+"credentialsRef: {name: k}, saslMechanism: PLAINTEXT, brokers:",
			"saslMechanism", "SCRAM-SHA-512"),
		Entry("an authority that nobody asks", withKafka+"tls: {verification: None, caSecretRef: {name: k, key: c}}, brokers:",
			"kafka.tls", "None ignores the authority"),
	)
})
