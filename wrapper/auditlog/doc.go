// Package auditlog writes the audit log: one JSON line for each call and each message sent, with the caller, the action and its
// outcome. The lines are chained by SHA-256, so that changing, removing, inserting or moving a line is detected.
//
// An Event has no field for the text of a message, a token or a header, so that none can be logged by mistake. Emit never
// blocks: events that the sink does not accept are queued in memory up to a limit. Events beyond the limit are lost, and their
// number becomes an event of the chain. docs/audit-log.md says what the audit log proves and what it cannot prove.
package auditlog
