package cli

import (
	"strings"

	"k8s.io/cli-runtime/pkg/genericiooptions"
)

// Name is the command under which kubectl users call the plugin.
const Name = "kubectl openimstack"

// Streams are the standard streams of one run, and the terminal behind Out. Results go to Out; notes and errors go to ErrOut, so that a
// pipeline can redirect a report without them.
type Streams struct {
	genericiooptions.IOStreams
	Terminal Terminal
}

// OneLine returns text with control characters replaced by spaces. Messages come from objects that others wrote: they must neither move
// the cursor nor break a table.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
}
