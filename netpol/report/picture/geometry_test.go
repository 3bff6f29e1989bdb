package picture

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// element of a drawing: a text with its position, or a shape with its class.
type element struct {
	name, class, text string
	x, y, w, h        float64
	turned            bool
}

// elements reads a drawing, without its style, titles and descriptions.
func elements(t failing, drawing string) []element {
	var out []element
	skip := false
	for decoder := xml.NewDecoder(strings.NewReader(drawing)); ; {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatalf("%v", err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			skip = token.Name.Local == "style" || token.Name.Local == "title" || token.Name.Local == "desc"
			if !skip && token.Name.Local != "tspan" {
				out = append(out, elementOf(token))
			}
		case xml.EndElement:
			skip = false
		case xml.CharData:
			if last := len(out) - 1; !skip && last >= 0 && out[last].name == "text" {
				out[last].text += string(token)
			}
		}
	}
}

type failing interface{ Fatalf(string, ...any) }

func elementOf(start xml.StartElement) element {
	e := element{name: start.Name.Local}
	for _, a := range start.Attr {
		value, _ := strconv.ParseFloat(a.Value, 64)
		switch a.Name.Local {
		case "class":
			e.class = a.Value
		case "x", "cx":
			e.x = value
		case "y", "cy":
			e.y = value
		case "width":
			e.w = value
		case "height":
			e.h = value
		case "transform":
			e.turned = true
			_, _ = fmt.Sscanf(a.Value, "translate(%f %f)", &e.x, &e.y)
		}
	}
	return e
}

var sizes = map[string]font{
	"h": {
		size: 21,
		bold: true,
	}, "s t": tiny, "s": small, "m": mono, "b": strong, "b n": {size: 11.5, bold: true}, "zone": {size: 12.2, bold: true},
	"onmark": {size: 10.5, bold: true},
}

// extent returns the extent of a horizontal text, with the widths of a wide font.
func (e element) extent() (left, right, top, bottom float64) {
	class := strings.TrimSpace(regexp.MustCompile(`\b(mid|end|badt|okt|exct|x)\b`).ReplaceAllString(e.class, ""))
	f, ok := sizes[strings.Join(strings.Fields(class), " ")]
	if !ok {
		f = strong
	}
	w := f.width(e.text) * .9 // the estimate exceeds the drawn width
	left = e.x
	switch {
	case strings.Contains(e.class, "mid"):
		left = e.x - w/2
	case strings.Contains(e.class, "end"):
		left = e.x - w
	}
	return left, left + w, e.y - f.size*.75, e.y + f.size*.2
}

// noOverlap fails when two horizontal texts overlap, or a text is outside the drawing.
func noOverlap(t failing, drawing string) {
	all := elements(t, drawing)
	width, height := all[0].w, all[0].h
	var texts []element
	for _, e := range all {
		if e.name == "text" && !e.turned && e.text != "" {
			texts = append(texts, e)
		}
	}
	if len(texts) < 5 {
		t.Fatalf("only %d texts", len(texts))
	}
	for i, a := range texts {
		l, r, top, bottom := a.extent()
		if l < 0 || r > width || top < 0 || bottom > height {
			t.Fatalf("%q is outside: %.0f to %.0f of %.0f, %.0f to %.0f of %.0f", a.text, l, r, width, top, bottom, height)
		}
		for _, b := range texts[i+1:] {
			l2, r2, top2, bottom2 := b.extent()
			if l < r2 && l2 < r && top < bottom2 && top2 < bottom {
				t.Fatalf("%q and %q overlap", a.text, b.text)
			}
		}
	}
}

// randomReport draws a report with any number of peers, intruders, stores and findings, and names of any length.
func randomReport(t *rapid.T) audit.Report {
	name := rapid.StringMatching(`[a-z]([-a-z0-9]{0,60}[a-z0-9])?`)
	components := graph.Components()
	if rapid.Bool().Draw(t, "own wrapper") {
		components = components[:len(components)-2]
	}
	component := rapid.SampledFrom(components)
	r := audit.Report{
		Stack: audit.Stack{Namespace: name.Draw(t, "namespace"), Name: name.Draw(t, "stack"), Version: "v3.8.3"},
		Digest: "sha256:" + strings.Repeat(
			"0",
			64,
		), Verdict: rapid.SampledFrom([]audit.Verdict{audit.VerdictSealed, audit.VerdictFindings, audit.VerdictCouldNotTell}).Draw(t, "verdict"),
	}
	portsOf := func(c graph.Component) []audit.Port {
		var out []audit.Port
		for _, p := range c.Ports {
			out = append(out, audit.Port{Name: p.Name, Number: p.Number, Protocol: string(p.Protocol)})
		}
		return out
	}
	// Gateway and backend have these edges in every stack.
	edges := map[string][]string{"gateway": {"backend", "msggateway"}, "backend": {"api"}}
	for _, from := range components {
		for _, name := range edges[from.Name] {
			to, _ := graph.Lookup(name)
			r.Connections = append(
				r.Connections,
				audit.Connection{From: from.Name, FromInside: true, To: name, ToInside: true, Ports: portsOf(to)[:1], Reason: "requests"},
			)
		}
		if edges[from.Name] != nil {
			continue
		}
		for range rapid.IntRange(0, 3).Draw(t, "calls") {
			if to := component.Draw(t, "to"); len(to.Ports) > 0 {
				r.Connections = append(
					r.Connections,
					audit.Connection{From: from.Name, FromInside: true, To: to.Name, ToInside: true, Ports: portsOf(to)[:1], Reason: "calls"},
				)
			}
		}
	}
	for range rapid.IntRange(0, 12).Draw(t, "stores") {
		store := audit.Connection{
			From:       component.Draw(t, "of").Name,
			FromInside: true,
			To:         name.Draw(t, "store"),
			Ports:      []audit.Port{{Name: "x", Number: 6379, Protocol: "TCP"}},
		}
		r.Connections = append(r.Connections, store)
	}
	for range rapid.IntRange(0, 5).Draw(t, "peers") {
		peer := name.Draw(t, "peer")
		for range rapid.IntRange(1, 6).Draw(t, "targets") {
			if to := component.Draw(t, "target"); len(to.Ports) > 0 {
				r.Connections = append(
					r.Connections,
					audit.Connection{From: peer, To: to.Name, ToInside: true, Ports: portsOf(to)[:1], Peers: []string{name.Draw(t, "selector")}},
				)
			}
		}
	}
	for range rapid.IntRange(0, 4).Draw(t, "intruders") {
		intruder := name.Draw(t, "intruder") + "/" + name.Draw(t, "pod")
		open := rapid.Uint32().Draw(t, "open") // a bit for each port
		for _, to := range components {
			for _, port := range portsOf(to) {
				r.Cells = append(r.Cells, audit.Cell{From: intruder, To: to.Name, Port: port, Evaluated: open&1 == 1})
				open >>= 1
			}
		}
	}
	for range rapid.IntRange(0, 12).Draw(t, "findings") {
		c := component.Draw(t, "found")
		r.Findings = append(r.Findings, audit.Finding{
			Kind: "ForeignPolicyWidens", Severity: audit.High, Object: audit.Object{Kind: "NetworkPolicy", Namespace: name.Draw(t, "in"),
				Name: name.Draw(t, "object")},
			Reason: name.Draw(t, "reason"), Ports: []string{c.Name + ":10200"},
		})
	}
	return r
}

func TestTextsNeitherOverlapNorLeaveTheDrawing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := randomReport(t)
		if len(elements(t, Standalone(r))) < 20 {
			return // almost no components
		}
		noOverlap(t, Standalone(r))
	})
}

func TestTheDrawingIsTheSameForTheSameReport(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := randomReport(t)
		for _, draw := range []func(audit.Report) string{Standalone, Embedded} {
			if once, again := draw(r), draw(r); once != again {
				t.Fatalf("two drawings of one report differ")
			}
		}
	})
}

// Every connected pair has a mark and no other pair has: the picture neither hides nor invents a connection.
func TestEveryConnectionHasItsMark(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := randomReport(t)
		pairs := map[string]bool{}
		for _, c := range r.Connections {
			if c.FromInside && (!c.ToInside || c.From != "gateway" && c.From != "backend") {
				pairs[c.From+">"+c.To] = true
			}
		}
		if len(pairs) == 0 {
			return
		}
		const inLegend = 1
		if got := count(t, Embedded(r), "dot ok") - inLegend; got != len(pairs) {
			t.Fatalf("%d marks for %d connected pairs", got, len(pairs))
		}
	})
}

// Attempts of intruders end at the border in a cross, one for each process. Where an attempt succeeds, the border has a gap instead.
func TestIntrudersAreBlockedAtTheBorderOrPassIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := randomReport(t)
		tried, through := map[string]bool{}, map[string]bool{}
		for _, c := range r.Cells {
			if c.To == "gateway" || c.To == "backend" {
				continue
			}
			tried[c.To] = true
			if c.Evaluated {
				through[c.To] = true
			}
		}
		drawing := Embedded(r)
		atGateway := 0
		if strings.Contains(drawing, "→ gateway:") && count(t, drawing, "key") > 0 {
			atGateway = 1
		}
		const inLegend = 1
		if got, want := count(t, drawing, "cross")-inLegend, len(tried)-len(through); got != want && got != want+atGateway {
			t.Fatalf("%d crosses for %d processes without a successful attempt", got, want)
		}
		backend := 0
		for _, c := range r.Cells {
			if c.To == "backend" && c.Evaluated {
				backend = 1
			}
		}
		if got := count(t, drawing, "gap"); got != len(through)+backend {
			t.Fatalf("%d gaps in the border for %d breaches", got, len(through)+backend)
		}
	})
}

func count(t failing, drawing, class string) int {
	total := 0
	for _, e := range elements(t, drawing) {
		if e.class == class {
			total++
		}
	}
	return total
}

func TestTextsAreShortenedToTheirWidth(t *testing.T) {
	g := NewWithT(t)
	g.Expect(sans.fit("short", 100)).To(Equal("short"))
	cut := sans.fit(strings.Repeat("long", 50), 100)
	g.Expect(cut).To(HaveSuffix("…"))
	g.Expect(sans.width(cut)).To(BeNumerically("<=", 100))
	g.Expect(sans.width(cut)).To(BeNumerically(">", 80))
	for _, line := range small.wrap(strings.Repeat("some words and more ", 20), 120, 3) {
		g.Expect(small.width(line)).To(BeNumerically("<=", 120))
	}
	g.Expect(small.wrap(strings.Repeat("some words and more ", 20), 120, 3)).To(HaveLen(3))
	g.Expect(small.wrap("", 120, 3)).To(BeEmpty())
}
