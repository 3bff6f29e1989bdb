// Package issuers is the configuration of the identity providers whose tokens make an administrator, and how their key sets are kept.
// Gateway and backend each verify administrators' tokens by themselves, from the same configuration.
package issuers
