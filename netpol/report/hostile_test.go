package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	. "github.com/onsi/gomega"
	"golang.org/x/net/html"

	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

// seeds are texts of an attacker who may write objects and wants to falsify the report.
var seeds = []string{
	"plain", "", " ", "</title><script>alert(1)</script>", `"><img src=x onerror=alert(1)>`, "<!--", "]]>", "&lt;b&gt;", "{{.}}",
	"javascript:alert(1)",
	"=1+1", "+cmd|' /C calc'!A0", "-2", "@SUM(A1)", "\t=1", "＝1", `a"b`, `a\`, `\"`, "a\nb", "a\r\nb", "| x |", "`x`", "```", "[a](http://b)",
	"![a](b)", "@everyone #1 http://x.example www.example.com",
	"\x1b[2J\x1b]0;title\a", "\x9b31m", "\u202egnp.exe", "\u2028", "\u200bzero", "\xff\xfe",
	"\x00", strings.Repeat("long", 400), strings.Repeat("長", 300),
	"e\u0301", "</style>", "*/", "rpc-auth:10200", "api", "node -> b; }",
}

// hostile returns the breached report with a text in every string that the cluster's users choose.
func hostile(s string) audit.Report {
	r := breached()
	fill(reflect.ValueOf(&r).Elem(), s)
	r.Schema, r.Verdict, r.Time = audit.Schema, audit.VerdictFindings, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Findings[0].Fix = "first\n" + s + "\nlast"
	return r
}

func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		if v.Type() == reflect.TypeFor[string]() {
			v.SetString(s + v.String())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), s)
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), s)
		}
	}
}

func fuzz(f *testing.F, format report.Format, check func(g *WithT, r audit.Report, out []byte)) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r := hostile(s)
		check(NewWithT(t), r, write(t, format, r, report.Options{}))
	})
}

// All that the picture is made of.
var (
	svgElements   = regexp.MustCompile(`^(svg|title|desc|style|rect|circle|path|text|tspan|g)$`)
	svgAttributes = regexp.MustCompile(`^(xmlns|class|viewBox|width|height|role|aria-labelledby|id|x|y|rx|cx|cy|r|d|transform|style)$`)
)

func FuzzSVG(f *testing.F) {
	fuzz(f, report.SVG, func(g *WithT, _ audit.Report, out []byte) {
		for decoder := xml.NewDecoder(bytes.NewReader(out)); ; {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			if start, ok := token.(xml.StartElement); ok {
				g.Expect(start.Name.Local).To(Satisfy(svgElements.MatchString))
				for _, a := range start.Attr {
					g.Expect(a.Name.Local).To(Satisfy(svgAttributes.MatchString))
				}
			}
		}
	})
}

func FuzzHTML(f *testing.F) {
	plain := elements(NewWithT(f), write(f, report.HTML, hostile("plain"), report.Options{}))
	fuzz(f, report.HTML, func(g *WithT, _ audit.Report, out []byte) {
		for tag := range elements(g, out) {
			g.Expect(plain).To(HaveKey(tag), "a text of the report became markup")
		}
	})
}

// elements are the names of a page's elements and attributes. It fails for what would run or fetch something.
func elements(g *WithT, page []byte) map[string]bool {
	found := map[string]bool{}
	for z := html.NewTokenizer(bytes.NewReader(page)); ; {
		switch z.Next() {
		case html.ErrorToken:
			g.Expect(z.Err()).To(Equal(io.EOF))
			return found
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			found[token.Data] = true
			g.Expect(token.Data).NotTo(BeElementOf("script", "iframe", "object", "embed", "link", "img", "base", "form"))
			for _, a := range token.Attr {
				found[token.Data+" "+a.Key] = true
				g.Expect(a.Key).NotTo(HavePrefix("on"))
				if a.Key == "href" {
					g.Expect(a.Val).To(HavePrefix("#"))
				}
			}
		default: // texts and ends
		}
	}
}

func FuzzCSV(f *testing.F) {
	fuzz(f, report.CSV, func(g *WithT, r audit.Report, out []byte) {
		records, err := csv.NewReader(bytes.NewReader(out)).ReadAll()
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(records).To(HaveLen(len(r.Cells) + 1))
		for _, record := range records {
			g.Expect(record).To(HaveLen(len(records[0])))
			for _, field := range record {
				if field != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(field)[0]) {
					g.Expect(field).To(BeEmpty(), "a spreadsheet would calculate it")
				}
			}
		}
	})
}

func FuzzJSON(f *testing.F) {
	fuzz(f, report.JSON, func(g *WithT, r audit.Report, out []byte) {
		var back audit.Report
		decoder := json.NewDecoder(bytes.NewReader(out))
		decoder.DisallowUnknownFields()
		g.Expect(decoder.Decode(&back)).To(Succeed())
		if utf8.ValidString(r.Stack.Name) {
			g.Expect(back).To(Equal(r), "nothing is lost")
		}
		g.Expect(string(out)).NotTo(ContainSubstring("<"), "it may be put into a page")
	})
}

func FuzzMarkdown(f *testing.F) {
	fences, markup := regexp.MustCompile("^```+$"), regexp.MustCompile(`<|>|://|(^|[^\\])(\\\\)*\x60`)
	pipe := regexp.MustCompile(`(^|[^\\])(\\\\)*\|`)
	fuzz(f, report.Markdown, func(g *WithT, r audit.Report, out []byte) {
		// A fix alone may have several lines.
		extra := strings.Count(r.Findings[0].Fix, "\n") - 2
		var harmless bytes.Buffer
		g.Expect(report.Write(&harmless, report.Markdown, hostile("x"+strings.Repeat("\nx", extra)), report.Options{})).To(Succeed())
		g.Expect(strings.Count(string(out), "\n")).To(Equal(strings.Count(harmless.String(), "\n")), "a text of the report became a line of "+
			"its own")
		code, width := "", 0
		for line := range strings.Lines(string(out)) {
			line = strings.TrimSuffix(line, "\n")
			if fence := fences.FindString(line); fence != "" && (code == "" || code == fence) {
				if code == "" {
					code = fence
				} else {
					code = ""
				}
				continue
			}
			if code != "" {
				continue
			}
			g.Expect(markup.MatchString(line)).To(BeFalse(), "markup, a link or code: %s", line)
			if !strings.HasPrefix(line, "|") {
				width = 0
				continue
			}
			if width == 0 {
				width = len(pipe.FindAllString(strings.ReplaceAll(line, "||", "| |"), -1))
			}
			g.Expect(pipe.FindAllString(strings.ReplaceAll(line, "||", "| |"), -1)).To(HaveLen(width), line)
		}
		g.Expect(code).To(BeEmpty(), "the block of code ends")
	})
}

func FuzzDOT(f *testing.F) {
	quoted := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	statement := regexp.MustCompile(
		`^( *(digraph Q \{|subgraph cluster_stack \{|\}|(graph|node|edge) \[[^\]]*\]|Q( -> Q)?( \[[^\]"\\]*\])?))$`,
	)
	fuzz(f, report.DOT, func(g *WithT, _ audit.Report, out []byte) {
		for line := range strings.Lines(string(out)) {
			g.Expect(strings.TrimSuffix(quoted.ReplaceAllString(line, "Q"), "\n")).To(Satisfy(statement.MatchString))
		}
	})
}

func FuzzTable(f *testing.F) {
	for _, s := range seeds {
		f.Add(s, 0, false)
		f.Add(s, 60, true)
	}
	sgr := regexp.MustCompile(`\x1b\[[0-9;]+m`)
	f.Fuzz(func(t *testing.T, s string, width int, colour bool) {
		g := NewWithT(t)
		out := string(write(t, report.Table, hostile(s), report.Options{Width: width, Colour: colour}))
		if colour {
			out = sgr.ReplaceAllString(out, "")
		}
		for _, r := range out {
			if r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) {
				t.Fatalf("%U reaches the terminal", r)
			}
		}
		g.Expect(utf8.ValidString(out)).To(BeTrue())
		var b strings.Builder
		g.Expect(report.Summary(&b, hostile(s), report.Options{})).To(Succeed())
		g.Expect(b.String()).NotTo(ContainSubstring("\x1b"))
	})
}

// The strange characters are shown by their number, so that a reader sees that something was tried.
func TestWhatCannotBeSeenIsShownByItsNumber(t *testing.T) {
	g := NewWithT(t)
	r := clean()
	r.Stack.Name = "chat\x1b[2J\u202e\n\xff"
	for _, f := range report.Formats() {
		if f == report.JSON {
			continue // escaped by its own rules
		}
		out := string(write(t, f, r, report.Options{}))
		g.Expect(out).To(MatchRegexp(`chat\\+u001b(\\?\[|\[)2J\\+u202e`), fmt.Sprint(f))
	}
}
