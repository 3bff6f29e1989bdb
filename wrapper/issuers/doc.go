// Package issuers validates the configuration of the identity providers whose tokens make an administrator, and keeps their key sets up to
// date. Gateway and backend each verify administrators' tokens themselves, with the same configuration.
package issuers
