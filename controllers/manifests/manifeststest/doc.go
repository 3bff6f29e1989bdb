// Package manifeststest builds the cases under controllers/manifests/testdata, for the tests of other packages that need every child object
// of a stack. It is for tests alone.
package manifeststest
