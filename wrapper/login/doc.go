// Package login is the server's side of the users' login by Noise handshake: the static keys, the state between a login's two calls,
// and the decision. It runs in the backend. The gateway passes the calls on.
//
// It stores neither devices nor sessions: a registry resolves keys, and Sessions creates sessions. A handshake's state is taken out of
// Redis once, atomically, before anything is sealed with its keys. Every refusal has the same answer after the same work. The reason
// goes to the audit log alone.
package login
