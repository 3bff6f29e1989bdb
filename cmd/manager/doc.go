// Command manager runs the operator.
//
//	manager            the reconcile loop, and beside it the prober
//	manager probe ...  a helper inside a probe pod: it attempts connections and prints the results
package main
