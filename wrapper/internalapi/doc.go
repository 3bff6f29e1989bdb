// Package internalapi is what the gateway asks of the backend beside OpenIM's own routes: paths and bodies, one table for both
// sides. Every call is a POST under a one-request assertion (package auth), its reply an envelope (package wire)
// whose data is the type named here. It holds types only.
package internalapi
