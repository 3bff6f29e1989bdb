// Package session keeps users' sessions: opaque tokens, of which the wrapper's Redis holds only a hash, with an absolute and an
// idle end; revocation by session, device, user or of everything, known to every replica within moments; open sockets
// that are closed when their session ends; and single-use tickets that open a socket.
//
// Every replica holds all revocations in memory and proves twice a second that it has missed none. Without that proof it
// asks Redis for each call; without Redis it serves what it confirmed within the last minute, and then nothing.
//
// A store with a Sealer, the backend's, seals what it writes and believes only what is sealed, so that who can write to Redis
// makes nobody be anybody. What a store without one, the gateway's, believes is judged again by the backend before it gives anybody
// anything.
//
// See docs/sessions.md for the bounds and their tests. It never logs or stores a token, and never fails open.
package session
