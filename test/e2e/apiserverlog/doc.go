// Package auditlog reads the API server's audit log: who wrote what, and when. It is how "no write" is counted where nobody can
// overlook one, at the API server itself.
package apiserverlog
