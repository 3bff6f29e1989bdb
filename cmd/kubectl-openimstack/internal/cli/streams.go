package cli

import (
	"strings"
	"unicode"

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

// OneLine returns text with characters that are not printed replaced by spaces: control characters, line and paragraph separators, and
// those that turn the direction of writing (Unicode's categories C and Z). Messages come from objects that others wrote: they must neither
// move the cursor nor break a table, nor look as if another had written them.
func OneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) || r == '\u200c' || r == '\u200d' { // joiners, which several scripts need
			return r
		}
		return ' '
	}, s)
}
