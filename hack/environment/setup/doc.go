// Package setup brings up all that a demonstration needs, in steps that say what they do and how long they took: a cluster, the
// images, the stores, the operator from config/default, namespaces, Secrets made at run time, and the stack of config/samples/demo.yaml.
//
// Every step finds what an earlier run has left and goes on from there. Secrets are made here and are never printed.
package setup
