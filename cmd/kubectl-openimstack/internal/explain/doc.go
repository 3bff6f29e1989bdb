// Package explain is the command that explains one connection: whether it is open, which policies and rules decide, whether it is
// intended, and what would change it.
//
// It judges two ends. The network audit judges all pods of a component and all ends of a peer; where the audit has a cell for the
// connection, its answer counts.
package explain
