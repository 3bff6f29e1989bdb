// Package mjson reads MongoDB's extended JSON, so that tests are written as the manual writes its examples.
//
// It is pure, and imported by tests only.
package mjson
