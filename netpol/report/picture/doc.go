// Package picture draws a report of the audit as SVG: peers outside the stack on the left, the border of the stack with the gateway,
// OpenIM's processes behind it, and the stores on the right.
//
// Every connection is a point where the row of a component crosses a column, so that lines of fifty connections never overlap. The
// drawing is computed without Graphviz and without the fonts of the machine: equal reports produce equal bytes.
package picture
