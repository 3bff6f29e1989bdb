// Package auth decides who is speaking: administrators by a JWT of their own identity provider, and the gateway to
// the backend by a short-lived assertion, which names a caller and does not prove one.
//
// It verifies and signs; it reads keys through mounted sources, calls nobody, and never learns OpenIM's secret.
// Everything that is not explicitly accepted is refused, and the reason goes to the log, not to the caller,
// until the signature has been proven.
package auth
