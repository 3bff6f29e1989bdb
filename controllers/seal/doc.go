// Package seal decides which places on the network a stack's policies open for egress: those to which the newest spec resolves, the last
// known ones of addresses that do not resolve now, and earlier ones that pods of a rollout may still use.
//
// It is pure. What it knows is kept in a ControllerRevision, so that an operator that starts while a reference is broken writes the same
// policies as the one before it.
package seal
