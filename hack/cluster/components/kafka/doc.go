// Command kafka is the stand-in for Apache Kafka in development and test clusters: one broker, franz-go's kfake, with its state in a
// directory, so that topics, records and group offsets survive a restart.
//
// It writes below --data-dir and listens on --listen. On request it speaks TLS alone, demands a certificate of its
// clients, and knows users (SASL PLAIN). It has no replication, quotas or permissions. Production uses a real Kafka.
package main
