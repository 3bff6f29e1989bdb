// Package samples starts the real OpenIM with the operator's configuration for each stack in config/samples, and sends a message through
// it. It shows that OpenIM starts with every sample and every form of a reference.
//
// Addresses are replaced by those of stores on loopback before the operator's own packages resolve and build; environment and files of each
// process are those of its Deployment. Logins and TLS are removed from the samples, and the test logs that; tests of their own try them.
package samples
