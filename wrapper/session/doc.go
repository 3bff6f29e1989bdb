// Package session stores users' sessions: opaque tokens, of which the wrapper's Redis holds only a hash, with an absolute and an idle
// timeout. It revokes sessions by session, device, platform, user or all at once, on every replica within moments. It closes open sockets
// when their session ends, and issues single-use tickets that open a socket.
//
// Every replica holds all revocations in memory and checks twice a second that it has missed none. While that check fails it asks Redis
// for each call. While Redis does not answer it serves sessions that it confirmed within the last minute, and after that nothing.
//
// A store with a Sealer (the backend's) seals what it writes and accepts only sealed records, so that write access to Redis is not enough
// to act as a user. A store without a Sealer (the gateway's) accepts unsealed records. Its decisions are not final: the backend verifies
// the session again.
//
// docs/sessions.md lists the bounds and their tests. The package never logs or stores a token, and never fails open.
package session
