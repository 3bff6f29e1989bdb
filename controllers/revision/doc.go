// Package revision records what a stack's Deployments are built from, as ControllerRevisions.
//
// A run revision holds the inputs of a rendering (spec, facts, images, no secret value), the pod template of each component as it was
// rendered then, and the ConfigMaps that the templates mount. So a component that an upgrade has not reached yet is repaired exactly, also
// by a later operator whose code renders other templates, and a rollback restores what ran before.
//
// The package is pure: it compares, encodes and chooses. Reading and writing the objects is left to the caller.
package revision
