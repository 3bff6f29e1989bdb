// Package login is the server's side of the users' login by Diffie-Hellman: its static keys, the state that a
// handshake leaves between its two calls, and the verdict. It runs in the backend; the gateway passes the calls on.
//
// It asks a registry who holds a key and has sessions made; it keeps neither. A handshake's state is taken out of Redis
// once, atomically, before anything is sealed with its keys. Every refusal is one and the same answer after the same
// work; why it was refused goes to the caller's audit trail alone.
package login
