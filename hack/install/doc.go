// Command install prints the objects that install the operator: config/default, or another folder of config, with the requested images. It
// changes neither the repository nor a cluster.
package main
