// Package ids decides which texts are valid identifiers of users, groups and conversations. Routes, frames and the backend's own calls use
// the same rules.
//
// OpenIM builds regular expressions from ids ("^"+conversationID, unescaped and without an end), Redis keys and names of conversations. A
// valid id holds no character with a meaning in any of them. It may still be the prefix of another id, so replies to prefix queries are
// checked as well.
package ids
