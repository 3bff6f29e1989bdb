// Package devices keeps the users' devices, the wrapper's own facts of users, and one-time enrolment codes, in MongoDB.
//
// A device is known by an X25519 public key. A key that was once taken belongs to its device for ever, also when the device was
// revoked or has another key now. No call needs a transaction: writes stand in an order in which a crash between any two
// leaves nothing that could be used, and the same call may be made again.
//
// It may read and write four collections. It never stores or tells a code's secret or a pre-shared key in clear, and calls nobody but
// MongoDB.
package devices
