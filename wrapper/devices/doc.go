// Package devices stores the users' devices, the wrapper's own record of each user, and one-time enrolment codes in MongoDB.
//
// A device is identified by an X25519 public key. A key belongs to its first device permanently, also after the device was revoked or
// has another key. No call needs a transaction: each writes in an order in which a crash between two writes leaves nothing usable, and
// each may be repeated.
//
// The package reads and writes five collections and calls nothing but MongoDB. It never stores a code's secret or a pre-shared key in
// clear text.
package devices
