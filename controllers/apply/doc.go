// Package apply writes children: by server-side apply with one field owner, only when something differs. It prunes children that are no
// longer desired. It is the only package that writes children, and it does not depend on what they are for.
//
// An object without a living controller that has the labels of a child is adopted. The number of replicas has a field owner of its own, so
// that it can be handed over to an autoscaler.
//
// No write takes an object that another client has made or changed meanwhile: it names the version that the cache shows, or none.
//
// An intent that was applied before, for an object that has not changed since, costs no request: an unchanged stack causes no writes.
package apply
