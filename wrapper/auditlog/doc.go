// Package auditlog keeps the trail: one JSON line for each call and each message sent, with who did what to whom and what
// became of it, chained by SHA-256 so that a line cannot be changed, taken out, put in or moved unseen.
//
// An Event has no field for a message's text, a token or a header, so that none can get there by mistake. Emit never
// waits: what the sink does not take is spooled in memory up to a bound; what is beyond it is lost, and the number of
// what was lost is itself an event of the chain. docs/audit-log.md says what the trail proves and what it cannot.
package auditlog
