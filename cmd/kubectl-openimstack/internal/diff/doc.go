// Package diff is the command that compares: the objects of a stack with what the operator writes, field by field, or two audits with
// each other.
package diff
