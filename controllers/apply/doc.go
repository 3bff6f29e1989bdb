// Package apply writes children: by server-side apply with one field owner, only when something differs, and prunes what is
// no longer wanted. It is the only room that writes children, and it knows nothing of what they are for.
//
// An intent that was applied before and an object that has not changed since cost no request: a stack at rest is silent.
package apply
