// Package controllers is the loop: it reads an OpenIMStack, resolves its references, builds its children, applies them in
// order, and says in the status what it saw. Facts flow straight down; no room below calls back up.
package controllers
