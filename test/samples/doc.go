// Package samples starts the real OpenIM with the operator's configuration for each stack in config/samples, and sends a message through it.
// It shows that OpenIM starts with every sample and every form of a reference.
//
// Addresses are replaced by those of stores on loopback before the operator's own packages resolve and build; environment and files of each
// process are those of its Deployment. Logins and TLS, which the stand-ins lack, are removed, and the test logs that.
package samples
