package report_test

import (
	"bytes"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"golang.org/x/net/html"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

// page returns the HTML page of a report as a browser parses it.
func page(t *testing.T, r audit.Report) *html.Node {
	t.Helper()
	root, err := html.Parse(bytes.NewReader(write(t, report.HTML, r, report.Options{})))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return root
}

// all elements below a node for which a predicate holds.
func all(n *html.Node, want func(*html.Node) bool) []*html.Node {
	var out []*html.Node
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && want(d) {
			out = append(out, d)
		}
	}
	return out
}

func named(names ...string) func(*html.Node) bool {
	return func(n *html.Node) bool { return strings.Contains(" "+strings.Join(names, " ")+" ", " "+n.Data+" ") }
}

func attribute(n *html.Node, key string) string {
	for _, a := range n.Attr {
		if a.Key == key {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func TestThePageSaysTheVerdictFirstAndThenWhatToDo(t *testing.T) {
	g := NewWithT(t)
	root := page(t, breached())
	var heads []string
	for _, h := range all(root, named("h1", "h2")) {
		heads = append(heads, textOf(h))
	}
	g.Expect(heads).To(Equal([]string{
		"im/chat", "Who reaches what", "Findings", "Exceptions of the spec", "The full matrix", "What decides",
		"Intended connections", "Kinds that could not be read", "Limits of this audit",
	}))
	g.Expect(textOf(all(root, named("header"))[0])).
		To(And(ContainSubstring("5 findings"), ContainSubstring("2 critical"), ContainSubstring("2026-11-22T04:30:00Z"),
			ContainSubstring("sha256:")))
	articles := all(root, func(n *html.Node) bool {
		return n.Data == "article" && strings.HasPrefix(attribute(n, "class"), "finding")
	})
	g.Expect(articles).To(HaveLen(len(breached().Findings)))
	for i, f := range breached().Findings {
		for _, said := range []string{f.Kind, string(f.Severity), f.Object.Name, f.Reason, f.Lets, strings.Split(f.Fix, "\n")[0]} {
			g.Expect(textOf(articles[i])).To(ContainSubstring(said))
		}
	}
	g.Expect(textOf(all(articles[1], named("pre"))[0])).To(ContainSubstring("kind: NetworkPolicy"), "an object to apply is in its own block")
}

func TestASealedStacksPageSaysSo(t *testing.T) {
	root := page(t, clean())
	NewWithT(t).Expect(textOf(all(root, named("header"))[0])).To(ContainSubstring("Sealed"))
	NewWithT(t).Expect(textOf(all(root, func(n *html.Node) bool { return attribute(n, "id") == "findings" })[0])).To(Equal("Findings None."))
}

// Each cell of the matrix names the deciding policies, in its tooltip and in the tables below.
func TestTheMatrixIsCompleteAndNamesTheDecidingPolicies(t *testing.T) {
	g := NewWithT(t)
	r := breached()
	root := page(t, r)
	matrix := all(root, func(n *html.Node) bool { return attribute(n, "class") == "matrix" })[0]
	cells := all(matrix, named("td"))
	g.Expect(cells).To(HaveLen(len(r.Cells)))
	byClass := map[string]int{}
	for _, td := range cells {
		g.Expect(attribute(td, "title")).To(MatchRegexp(`^\S+ → \S+:\d+ \w+: (open|shut).*\. Egress: .*; Ingress: .*\((im/|infra/)`))
		byClass[strings.Fields(attribute(td, "class"))[0]]++
	}
	g.Expect(byClass).To(HaveKeyWithValue("bad", 4))
	g.Expect(byClass).To(HaveKeyWithValue("mis", 1))
	g.Expect(byClass["ok"]+byClass["bad"]).To(Equal(r.Counts.Open), "open cells, intended or not")
	decisions := textOf(all(root, func(n *html.Node) bool { return attribute(n, "id") == "decisions" })[0])
	for _, c := range r.Cells {
		g.Expect(decisions).To(ContainSubstring(c.To + ":" + strconv.Itoa(int(c.Port.Number))))
		g.Expect(decisions).To(ContainSubstring(c.Decided[1].Policy))
	}
}

func TestThePageIsAccessible(t *testing.T) {
	g := NewWithT(t)
	root := page(t, breached())
	ids := map[string]bool{}
	for _, n := range all(root, func(n *html.Node) bool { return attribute(n, "id") != "" }) {
		g.Expect(ids[attribute(n, "id")]).To(BeFalse(), "id %s is there twice", attribute(n, "id"))
		ids[attribute(n, "id")] = true
	}
	for _, n := range all(root, func(*html.Node) bool { return true }) {
		for id := range strings.FieldsSeq(attribute(n, "aria-labelledby")) {
			g.Expect(ids).To(HaveKey(id))
		}
		if href := attribute(n, "href"); href != "" {
			g.Expect(ids).To(HaveKey(strings.TrimPrefix(href, "#")))
		}
		if strings.HasPrefix(attribute(n, "class"), "scroll") {
			g.Expect(attribute(n, "tabindex")).To(Equal("0"), "scrolling boxes can be reached by keyboard")
			g.Expect(attribute(n, "aria-labelledby")+attribute(n, "aria-label")).NotTo(BeEmpty(), "and have a name")
		}
	}
	for _, th := range all(root, named("th")) {
		g.Expect(attribute(th, "scope")).To(BeElementOf("col", "row"))
	}
	for _, svg := range all(root, named("svg")) {
		g.Expect(attribute(svg, "role")).To(Equal("img"))
		g.Expect(textOf(all(svg, named("title"))[0])).NotTo(BeEmpty())
		g.Expect(textOf(all(svg, named("desc"))[0])).
			To(And(ContainSubstring("Intruders"), ContainSubstring("gateway:8081"), ContainSubstring("redis")))
	}
	g.Expect(attribute(all(root, named("html"))[0], "lang")).To(Equal("en"))
}

func TestThePageIsSelfContained(t *testing.T) {
	g := NewWithT(t)
	text := string(write(t, report.HTML, breached(), report.Options{}))
	g.Expect(text).To(ContainSubstring(`content="default-src 'none'; style-src 'unsafe-inline'`), "the browser enforces it")
	g.Expect(text).NotTo(MatchRegexp(`(?i)<script|@import|url\(|src=|@font-face`))
	g.Expect(text).To(ContainSubstring("prefers-color-scheme:dark"))
	g.Expect(text).To(ContainSubstring("@media print"))
}

// Every text has a contrast of at least 4.5 to 1, in light and in dark mode (WCAG 2.2, 1.4.3).
func TestContrast(t *testing.T) {
	style, err := os.ReadFile("page.css")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	palettes := regexp.MustCompile(`:root\{([^}]*)\}`).FindAllStringSubmatch(string(style), -1)
	NewWithT(t).Expect(palettes).To(HaveLen(2), "light and dark")
	for i, name := range []string{"light", "dark"} {
		colours := map[string]string{}
		for entry := range strings.SplitSeq(palettes[i][1], ";") {
			key, value, _ := strings.Cut(entry, ":")
			colours[key] = value
		}
		for _, pair := range [][2]string{
			{"--ink", "--bg"}, {"--ink", "--paper"}, {"--ink", "--soft"}, {"--ink", "--bad-bg"}, {"--ink", "--exc-bg"},
			{"--muted", "--bg"}, {"--muted", "--paper"}, {"--muted", "--soft"}, {"--muted", "--bad-bg"}, {"--muted", "--exc-bg"},
			{"--ok", "--ok-bg"}, {"--bad", "--bad-bg"}, {"--bad", "--paper"}, {"--on", "--ok"}, {"--on", "--bad"}, {"--on", "--exc"}, {"--on",
				"--muted"},
		} {
			NewWithT(t).Expect(contrast(t, colours[pair[0]], colours[pair[1]])).To(BeNumerically(">=", 4.5), "%s on %s, %s", pair[0], pair[1], name)
		}
	}
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + .05) / (min(x, y) + .05)
}

// luminance returns the relative luminance as defined by WCAG.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	hex := strings.TrimPrefix(colour, "#")
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	NewWithT(t).Expect(hex).To(HaveLen(6), colour)
	total := 0.0
	for i, share := range []float64{.2126, .7152, .0722} {
		v, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		c := float64(v) / 255
		if c <= .03928 {
			total += share * c / 12.92
		} else {
			total += share * math.Pow((c+.055)/1.055, 2.4)
		}
	}
	return total
}

// A wide picture keeps its size on a small screen: the box around it scrolls.
func TestAWidePictureScrolls(t *testing.T) {
	g := NewWithT(t)
	drawings := all(page(t, breached()), named("svg"))
	g.Expect(drawings).To(HaveLen(1))
	g.Expect(attribute(drawings[0].Parent, "class")).To(Equal("scroll"))
	style, err := os.ReadFile("page.css")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(style)).To(And(ContainSubstring(".scroll{overflow:auto"), MatchRegexp(`figure svg\{[^}]*min-width:`)))
}
