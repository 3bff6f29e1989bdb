package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/graph"
)

func TestThePageIsTheSameEveryTime(t *testing.T) {
	for range 10 {
		NewWithT(t).Expect(string(page())).To(Equal(string(page())))
	}
}

// The page is reviewed by people: it must list every connection, port and policy.
func TestThePageHasEveryConnectionEveryPortAndEveryPolicy(t *testing.T) {
	g := NewWithT(t)
	text := string(page())
	for _, c := range fullest().Edges {
		g.Expect(text).To(ContainSubstring("| "+c.From.Name+" | "+c.To.Name+" | "+numbers(c.Ports)+" | "), c.ID)
	}
	for _, c := range fullest().Components {
		for _, p := range c.Ports {
			g.Expect(text).To(ContainSubstring("| " + c.Name + " | " + p.String() + " (" + p.Name + ") |"))
		}
	}
	for _, p := range graph.Policies(fullest()) {
		g.Expect(text).To(ContainSubstring("`"+p.Name+"`"), p.Name)
	}
}

// The spec of the page must request everything that a spec can: each peer of the graph and each kind of exception appears.
func TestTheFullestStackRequestsEverything(t *testing.T) {
	text := string(page())
	for _, name := range []string{
		graph.Clients, graph.Admins, graph.Monitoring, graph.WebSocketClients, graph.OwnWrapper, graph.DNS, graph.WrapperRedis,
		graph.JWKS, graph.Tracing, graph.PushVendor, graph.Webhooks, graph.ExceptionWebhookDirect,
		graph.ExtraPrefix, graph.ExceptionWebSocketDirect, graph.ExceptionOwnWrapper,
		graph.ExceptionUnauthenticatedMetrics, graph.ExceptionExtraEgress, "object-storage",
	} {
		NewWithT(t).Expect(text).To(ContainSubstring(name))
	}
}

func TestEveryRowOfATableHasItsCells(t *testing.T) {
	var cells int
	for line := range strings.Lines(string(page())) {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		if cells == 0 {
			cells = strings.Count(line, " | ")
		}
		NewWithT(t).Expect(strings.Count(line, " | ")).To(Equal(cells), line)
	}
}

func TestTheCommandWritesThePage(t *testing.T) {
	g := NewWithT(t)
	g.Expect(run(nil)).To(MatchError("usage: connectiondocs FILE"))
	file := filepath.Join(t.TempDir(), "connections.md")
	g.Expect(run([]string{file})).To(Succeed())
	written, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(written).To(Equal(page()))
}
