// Command install prints the objects that install the operator: config/default, or another folder of config, with the images that
// are asked for. It changes nothing, neither in the tree nor in a cluster.
package main
