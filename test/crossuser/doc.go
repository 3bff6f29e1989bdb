// Package crossuser shows that no user can read or change another user's data. Its cases are generated from the wrapper's two tables, of
// routes (package routes) and of the socket's requests (package websocket): each field that names a user is aimed at another user's data,
// once through the wrapper and once directly at OpenIM, which shows what the wrapper adds.
//
// The real OpenIM runs on loopback with private data: friends, remarks, blocked users, applications, notes, groups, messages. The result of
// each case is written to docs/crossuser.md, and the page must equal the test's results.
//
// The package holds tests only.
package crossuser
