package main

import (
	"os"

	"golang.org/x/term"
)

// terminal is what is known of where the output goes.
type terminal struct {
	// colour is true when it shows colours and nobody has asked for none.
	colour bool
	// width in columns; 0 when it is no terminal.
	width int
}

// terminalOf looks at a file. Colours need a terminal, and an environment that does not refuse them (no-color.org).
func terminalOf(file *os.File, env func(string) string) terminal {
	fd := int(file.Fd())
	if !term.IsTerminal(fd) {
		return terminal{}
	}
	t := terminal{colour: env("NO_COLOR") == "" && env("TERM") != "dumb"}
	if width, _, err := term.GetSize(fd); err == nil {
		t.width = width
	}
	return t
}
