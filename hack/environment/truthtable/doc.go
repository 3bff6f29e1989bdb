// Package matrix observes the truth table of a stack on a real cluster: every cell by a real connection attempt, made from inside the
// pod in question, compared with what netpol/graph expects.
//
// A port counts as sealed only if it answers inside its own pod at the same time: a dead port proves nothing. Policies are
// programmed some time after they are written, so a cell that disagrees is tried again until a deadline; how often is part of the result.
package truthtable
