// Package handshake is the protocol of the users' login, shared by the backend and by clients in Go: two Noise patterns (XK for logins,
// XKpsk3 with a one-time code for enrolment), the prologue, the padded payloads and the JSON bodies.
//
// The package keeps no state between calls, reads no clock and makes no connection. Noise itself is github.com/flynn/noise. This package
// fixes which parts of Noise are used and how. docs/login.md describes the protocol in prose.
package handshake
