// Package issuers holds the configuration of the identity providers whose tokens identify administrators, and keeps their key sets up to
// date. Gateway and backend verify administrators' tokens independently, from the same configuration.
package issuers
