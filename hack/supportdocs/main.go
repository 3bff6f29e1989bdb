// Command supportdocs writes the table of supported releases of OpenIM into a page, between the marks that the page has: supportdocs FILE.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/openimstack/openim-operator/hack/docpage"
	"github.com/openimstack/openim-operator/openim"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: supportdocs FILE")
		os.Exit(2)
	}
	part := docpage.Part{Source: "openim/release.go", Command: "go generate ./openim"}
	if err := part.Rewrite(os.Args[1], table()); err != nil {
		fmt.Fprintln(os.Stderr, "supportdocs:", err)
		os.Exit(1)
	}
}

// differences are what the operator and its users can do with some releases alone.
var differences = []struct {
	what string
	has  func(openim.Release) bool
}{
	{"brackets around IPv6 addresses in etcd", openim.Release.BracketsIPv6},
	{"`settings.maxRPCMessageBytes`", openim.Release.RPCMaxBodySize},
	{"object storage `aws`", openim.Release.StorageAWS},
	{"a Redis Cluster behind one address", func(r openim.Release) bool { return !r.RedisClusterNeedsTwo() }},
	{"registers again by itself after etcd lost its key", openim.Release.RegistersAgain},
}

// table returns a row for each release, the oldest first.
func table() string {
	var b strings.Builder
	b.WriteString("| release |")
	for _, d := range differences {
		b.WriteString(" " + d.what + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(differences)) + "\n")
	for _, r := range openim.Releases() {
		fmt.Fprintf(&b, "| `%s` |", r.Tag)
		for _, d := range differences {
			if d.has(r) {
				b.WriteString(" yes |")
				continue
			}
			b.WriteString(" |")
		}
		b.WriteString("\n")
	}
	return b.String()
}
