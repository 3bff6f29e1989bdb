// Package lint holds the proof that the import rules of .golangci.yml bite: its tests lint wrong imports in a copy of the house.
// It has no code of its own.
package lint
