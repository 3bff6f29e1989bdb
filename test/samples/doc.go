// Package samples starts the real OpenIM with what the operator makes of each stack in config/samples, and sends a message through it: no
// sample and no form of a reference may be one that OpenIM ends on.
//
// Addresses are replaced by those of stores on loopback before the operator's own packages resolve and build; environment and files of each
// process are those of its Deployment. What the stand-ins for the stores have not, logins and TLS, is left out, and the test says so.
package samples
