// Package auth verifies callers: administrators by a JWT of their own identity provider, and the gateway at the backend by a short-lived
// assertion. An assertion names the caller for whom the gateway calls, and does not prove who that caller is.
//
// The package verifies and signs. It reads keys from mounted files, fetches identity providers' key sets by URL, and never learns OpenIM's
// secret. It refuses everything that is not explicitly accepted. Until a signature is verified the reason goes to the log alone, not to the
// caller.
package auth
