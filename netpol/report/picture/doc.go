// Package picture draws an audit's report as SVG: the outside on the left, the wall of the sealed box with the wrapper as its one
// door, OpenIM's processes behind it, and the stores on the right.
//
// Every connection is a point where a process's row meets a column, so that fifty of them never cross in a way that could be
// misread. The drawing is computed here, without Graphviz, fonts or anything else of the machine: equal reports make equal bytes.
package picture
