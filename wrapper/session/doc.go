// Package session keeps users' sessions: opaque tokens, of which the wrapper's Redis holds only a hash, with an absolute and an
// idle end; revocation by session, device, user or of everything, known to every replica within moments; open sockets
// that are closed when their session ends; and single-use tickets that open a socket.
//
// Every replica holds all revocations in memory and proves twice a second that it has missed none. Without that proof it
// asks Redis for each call; without Redis it serves what it confirmed within the last minute, and then nothing.
// See docs/sessions.md for the bounds and their tests. It never logs or stores a token, and never fails open.
package session
