// Package wire names everything that crosses a connection of the wrapper: header names, path prefixes,
// request identifiers, OpenIM's reply envelope, and the strict reading of JSON.
//
// Gateway and backend both speak it, so that each of these is written down once.
// It holds no state, opens no connection and knows no secret.
package wire
