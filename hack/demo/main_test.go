package main

import (
	"bytes"
	"errors"
	"flag"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/netpol/graph"
)

func TestTheDemoRefusesUnknownArguments(t *testing.T) {
	for _, args := range [][]string{{"up"}, {"--keep"}, {"--down", "chat"}, {"--down", "--transcript", "demo.md"}} {
		var out bytes.Buffer
		g := NewWithT(t)
		g.Expect(run(t.Context(), args, &out)).To(MatchError(ContainSubstring("use none, --transcript FILE, --down, or --down --keep")), "%v", args)
		g.Expect(out.String()).To(BeEmpty(), "no step was started")
	}
	NewWithT(t).Expect(errors.Is(run(t.Context(), []string{"--help"}, &bytes.Buffer{}), flag.ErrHelp)).To(BeTrue())
}

func TestTheDemoRefusesAnUnknownCluster(t *testing.T) {
	t.Setenv("CLUSTER", "cloud")
	NewWithT(t).Expect(run(t.Context(), nil, &bytes.Buffer{})).To(MatchError(ContainSubstring("kubectl's current context")))
}

// Every column is an intruder or a component of the stack: a misspelt source would be an empty column.
func TestEveryColumnIsASource(t *testing.T) {
	for _, column := range columns {
		_, component := graph.Lookup(column.Source)
		intruder := column.Source == setup.Intruder || column.Source == setup.Outsider
		NewWithT(t).Expect(component || intruder).To(BeTrue(), column.Source)
	}
}

func TestTheCacheIsDescribedAsObserved(t *testing.T) {
	g := NewWithT(t)
	g.Expect(cached(chat.Cached{Message: true})).To(Equal(", and the message is cached"))
	g.Expect(cached(chat.Cached{})).To(Equal(", and the message is not cached"))
}

func TestWhereToLookIsReportedEvenWithoutACluster(t *testing.T) {
	s := &demo{Environment: &setup.Environment{Local: true}}
	NewWithT(t).Expect(s.whereToLook(t.Context())).To(MatchError(ContainSubstring("go run ./hack/cluster status")))
}
