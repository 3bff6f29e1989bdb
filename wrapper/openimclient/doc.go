// Package openimclient calls OpenIM's HTTP API, as OpenIM's administrator or as one of its users.
//
// It is the only package that holds OpenIM's share.secret and the admin token. Neither appears in its results, its errors, a log
// or a metric. The package knows OpenIM's transport (headers, envelope, error codes). It does not decide whether a caller may
// make a call.
package openimclient
