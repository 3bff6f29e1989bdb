// Package setup brings up the environment of the demo and the end-to-end suites, in steps that print what they do and how long they
// took: a cluster, the images, the stores, the operator from config/default, namespaces, generated Secrets, and the stack of
// config/samples/demo.yaml.
//
// Each step reuses what an earlier run left. Secrets are generated here and never printed.
package setup
