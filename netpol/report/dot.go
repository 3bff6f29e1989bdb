package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report/picture"
)

// writeDOT writes a graph for Graphviz, with the stack as a cluster and one edge for each pair of connected nodes.
func writeDOT(w io.Writer, r audit.Report) error {
	g := newDotGraph(r)
	var b strings.Builder
	b.WriteString("digraph " + quote(r.Stack.Namespace+"/"+r.Stack.Name) + " {\n")
	label := quote(fmt.Sprintf("%s/%s: %s", r.Stack.Namespace, r.Stack.Name, r.Verdict))
	b.WriteString("  graph [rankdir=LR, fontname=\"sans-serif\", label=" + label + "]\n")
	b.WriteString("  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=\"sans-serif\"]\n")
	b.WriteString("  edge [fontname=\"sans-serif\", fontsize=10]\n")
	b.WriteString("  subgraph cluster_stack {\n    graph [label=\"sealed\", color=\"#1d5c3d\", penwidth=2]\n")
	for _, name := range g.inside {
		b.WriteString("    " + quote(name) + "\n")
	}
	b.WriteString("  }\n")
	for _, name := range g.outside {
		style := ""
		if g.unexpected[name] {
			style = " [color=\"#c0281c\", fillcolor=\"#fdeeec\"]"
		}
		b.WriteString("  " + quote(name) + style + "\n")
	}
	for _, e := range g.edges {
		fmt.Fprintf(&b, "  %s -> %s [label=%s, %s]\n", quote(e.from), quote(e.to), quote(strings.Join(e.ports, " ")), dotStyles[e.kind])
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// Kinds of edges. dotStyles holds their styles.
const (
	dotIntended = iota
	dotException
	dotUnexpected
	dotMissing
	dotStopped
)

var dotStyles = []string{
	`color="#1f7a4d"`, `color="#a86d00", penwidth=2`, `color="#c0281c", penwidth=2.5, fontcolor="#c0281c"`,
	`color="#c0281c", style=dotted`, `color="#c0281c", style=dashed, arrowhead=tee, fontcolor="#c0281c"`,
}

type dotEdge struct {
	from, to string
	kind     int
	ports    []string
}

type dotGraph struct {
	inside, outside []string
	unexpected      map[string]bool
	edges           []dotEdge
}

func newDotGraph(r audit.Report) *dotGraph {
	g := &dotGraph{unexpected: map[string]bool{}}
	for _, c := range r.Connections {
		g.node(c.From, c.FromInside)
		g.node(c.To, c.ToInside)
		kind := dotIntended
		if picture.ByException(r, c) {
			kind = dotException
		}
		for _, p := range c.Ports {
			g.edge(c.From, c.To, kind, portText(p))
		}
	}
	known := slices.Concat(g.inside, g.outside)
	for _, c := range r.Cells {
		intruder := !slices.Contains(known, c.From)
		switch {
		case c.Evaluated && !c.Expected:
			g.edge(c.From, c.To, dotUnexpected, portText(c.Port))
		case !c.Evaluated && c.Expected:
			g.edge(c.From, c.To, dotMissing, portText(c.Port))
		case !c.Evaluated && intruder:
			g.edge(c.From, c.To, dotStopped, portText(c.Port))
		default:
			continue
		}
		g.unexpected[c.From] = g.unexpected[c.From] || intruder
		g.node(c.From, false)
		g.node(c.To, false)
	}
	return g
}

func (g *dotGraph) node(name string, inside bool) {
	switch {
	case slices.Contains(g.inside, name), slices.Contains(g.outside, name):
	case inside:
		g.inside = append(g.inside, name)
	default:
		g.outside = append(g.outside, name)
	}
}

// edge adds an edge, or adds a port to the edge of the same kind between the same nodes.
func (g *dotGraph) edge(from, to string, kind int, port string) {
	i := slices.IndexFunc(g.edges, func(e dotEdge) bool { return e.from == from && e.to == to && e.kind == kind })
	if i < 0 {
		g.edges = append(g.edges, dotEdge{from: from, to: to, kind: kind})
		i = len(g.edges) - 1
	}
	if e := &g.edges[i]; !slices.Contains(e.ports, port) {
		e.ports = append(e.ports, port)
	}
}

// quote returns a quoted string of DOT. Backslashes are doubled, because they start an escape in labels.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
