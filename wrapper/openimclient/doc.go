// Package openimclient calls OpenIM's HTTP API, as its administrator or as one of its users.
//
// It is the only place that holds OpenIM's share.secret and admin token: neither appears in what it returns, in its
// errors, in a log or in a metric. It knows OpenIM's transport (headers, envelope, error codes), and nothing of
// who asks for a call or whether they may.
package openimclient
