package cli

import (
	"os"

	"golang.org/x/term"
)

// Terminal holds what is known of the terminal behind an output stream. The zero value is a pipe or a file.
type Terminal struct {
	// Colour reports whether the terminal shows colours and the environment does not refuse them.
	Colour bool
	// Width is in columns; 0 when the output is not a terminal.
	Width int
}

// TerminalOf inspects a file. Colours need a terminal, and an environment that does not refuse them (no-color.org).
func TerminalOf(file *os.File, env func(string) string) Terminal {
	fd := int(file.Fd())
	if !term.IsTerminal(fd) {
		return Terminal{}
	}
	t := Terminal{Colour: env("NO_COLOR") == "" && env("TERM") != "dumb"}
	if width, _, err := term.GetSize(fd); err == nil {
		t.Width = width
	}
	return t
}
