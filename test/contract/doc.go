// Package contract tests agreements between packages that do not import each other.
package contract
