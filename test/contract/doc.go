// Package contract holds tests of what two rooms that do not import each other have agreed on.
package contract
