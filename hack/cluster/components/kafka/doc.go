// Command kafka is the stand-in for Apache Kafka in development and test clusters: one broker, franz-go's kfake, with its state in a
// directory, so that topics, records and group offsets survive a restart.
//
// It writes below --data-dir and listens on --listen. It has no replication, quotas, TLS or logins. Production uses a real Kafka.
package main
