// Package crossuser shows that no user gets at what is another's. Its cases are generated from the wrapper's own two tables, of routes
// (package policy) and of the socket's requests (package realtime): each field that names somebody is turned towards another
// user's world, once through the wrapper and once straight at OpenIM, which tells what the wrapper adds.
//
// OpenIM is the real one, on loopback, with something to leak: friends, remarks, blocked users, applications, notes, groups, messages. What
// came of each case is written to docs/crossuser.md, and the page must be what the test saw.
//
// The package holds tests only.
package crossuser
