// Package client logs a program in at the gateway of an OpenIMStack, and calls the gateway's own routes: tickets for
// WebSockets, revocation of sessions, devices, and enrolment codes for further devices. The login needs a device key
// instead of a password.
//
// # Login
//
// Enrol registers a device with a one-time enrolment code and the device's key. The private key never leaves the device.
// Login authenticates the device with that key from then on. Both return a Session. An official OpenIM SDK takes the
// session's token (Session.Token) as OpenIM's token, and Client.APIAddr and Client.WSAddr as its addresses.
//
// # Trust in the gateway
//
// The gateway proves its identity with its own key. Options.PinnedKeys names the keys that the program trusts.
// Without pinned keys, BaseURL must be https: the client trusts the keys of the first document that it fetches, so that for
// this first fetch TLS alone authenticates the gateway. Save Client.PinnedKeys after each login, and pass the saved keys as
// Options.PinnedKeys at the next start. Each login updates the pinned keys over the authenticated channel, so that the
// client follows the rotation of the gateway's keys.
//
// # Formats and limits
//
// Public keys and device keys are 32 bytes in base64url without padding, which are 43 characters. An enrolment code is
// "v1.<22 characters>.<43 characters>". A call ends after 15 seconds, or sooner with its context. A reply of more than
// 1 MiB is an error.
//
// # Errors
//
// Test errors with errors.Is against the Err values of this package. A reply with an error code of OpenIM's is an *Error.
// No error text and no printed value contains a private key, an enrolment code or a token.
package client
