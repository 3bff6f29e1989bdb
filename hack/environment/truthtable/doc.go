// Package truthtable observes the truth table of a stack on a real cluster. Each cell is a real connection attempt, made from inside the
// source pod, and is compared with what netpol/graph expects.
//
// A port counts as closed only if it answers inside its own pod at the same time: a dead port proves nothing. Policies take effect
// some time after they are written, so a cell that disagrees is tried again until a deadline. The number of attempts is part of the
// result.
package truthtable
