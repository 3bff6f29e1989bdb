// Package fault carries an error together with the code by which MongoDB's drivers know it.
//
// It is pure.
package fault
