// Package internalapi holds the paths and bodies of the internal API: what the gateway calls at the backend besides OpenIM's routes.
// Both sides use the same types. Every call is a POST with an assertion for that one request (package auth). Its reply is an envelope
// (package wire) whose data is the type named here. The package holds types and constants only.
package internalapi
