// Package ids says which texts may be a user's, a group's or a conversation's id. Routes, frames and the backend's own calls ask it, so
// that there is one answer.
//
// OpenIM builds regular expressions of ids ("^"+conversationID, unescaped and without an end), keys of Redis and names of conversations.
// An id that is legal here means itself in all of them: it holds no character that a pattern or a key gives a meaning to.
// It may still be the beginning of another id, so replies to prefix queries are checked as well.
package ids
