package cli_test

import (
	"errors"
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
)

// An exit code is no error to print, also when it is wrapped; every other error is printed and ends with 1.
func TestExitCodes(t *testing.T) {
	g := NewWithT(t)
	g.Expect(cli.Exit(cli.ExitSealed)).To(Succeed())
	failure := errors.New("reading x: gone")
	for _, c := range []struct {
		err     error
		code    int
		printed error
	}{
		{nil, 0, nil},
		{cli.Exit(cli.ExitUnknown), 1, nil},
		{cli.Exit(cli.ExitFindings), 2, nil},
		{fmt.Errorf("auditing: %w", cli.Exit(cli.ExitFindings)), 2, nil},
		{failure, 1, failure},
	} {
		code, printed := cli.Code(c.err)
		g.Expect(code).To(Equal(c.code))
		if c.printed == nil {
			g.Expect(printed).NotTo(HaveOccurred())
		} else {
			g.Expect(printed).To(MatchError(c.printed))
		}
	}
}

func TestOneLineHasNoControlCharacters(t *testing.T) {
	g := NewWithT(t)
	g.Expect(cli.OneLine("a\x1b[2J\u009bb\nc\td")).To(Equal("a [2J b c d"))
	g.Expect(cli.OneLine("alice\u202e:ecila\u2066 \u2028bob")).To(Equal("alice :ecila   bob"))
	g.Expect(cli.OneLine("می\u200cخواهم 👩\u200d👧")).To(Equal("می\u200cخواهم 👩\u200d👧"), "joiners are part of words")
	g.Expect(cli.OneLine("Ünïcode → stays")).To(Equal("Ünïcode → stays"))
}
