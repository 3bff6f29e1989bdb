// Package wire defines what gateway, backend and clients must agree on: header names, route paths, request identifiers,
// OpenIM's reply envelope, the wrapper's own failures, strict JSON decoding, and the removal of secrets and cluster addresses
// from texts.
//
// The package holds no state, opens no connection and knows no secret.
package wire
