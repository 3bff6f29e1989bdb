// Command kafka is the stand-in for Apache Kafka on clusters made for trying and testing: one broker, franz-go's kfake,
// with its state in a directory so that topics, records and group offsets survive a restart.
//
// It may write below --data-dir and listen on --listen. It never does what only a real cluster of brokers can:
// replication, quotas, TLS, logins. Real deployments name their own Kafka.
package main
