// Package status is the command that prints what the operator wrote to the status of a stack. It judges nothing itself.
package status
