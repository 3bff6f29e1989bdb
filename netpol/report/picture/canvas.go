package picture

import (
	"encoding/xml"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// canvas collects the elements of a drawing. All texts are escaped here.
type canvas struct{ strings.Builder }

// n formats a number with at most one decimal.
func n(v float64) string { return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64) }

func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a strings.Builder never fails
	return b.String()
}

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(c, format, args...) }

// open starts a group. Browsers show its title as a tooltip, and screen readers read it.
func (c *canvas) open(title string) {
	c.WriteString("<g>")
	if title != "" {
		c.add("<title>%s</title>", escape(title))
	}
}

func (c *canvas) close() { c.WriteString("</g>\n") }

func (c *canvas) rect(class string, x, y, w, h, radius float64) {
	c.add(`<rect class="%s" x="%s" y="%s" width="%s" height="%s" rx="%s"/>`, class, n(x), n(y), n(w), n(h), n(radius))
}

func (c *canvas) circle(class string, x, y, r float64) {
	c.add(`<circle class="%s" cx="%s" cy="%s" r="%s"/>`, class, n(x), n(y), n(r))
}

// line draws a line through points, given as x and y in turn.
func (c *canvas) line(class string, points ...float64) {
	c.add(`<path class="%s" d="M`, class)
	for i, p := range points {
		if i > 0 {
			c.WriteByte(' ')
		}
		c.WriteString(n(p))
	}
	c.WriteString(`"/>`)
}

// arrow draws a line with a head at its end.
func (c *canvas) arrow(class string, points ...float64) {
	last := len(points)
	x, y := points[last-2], points[last-1]
	dx, dy := x-points[last-4], y-points[last-3]
	length := math.Hypot(dx, dy)
	if length == 0 {
		return
	}
	const head, half = 8, 4.2
	ux, uy := dx/length, dy/length
	bx, by := x-head*ux, y-head*uy
	shaft := append(append([]float64{}, points[:last-2]...), bx, by)
	c.line(class, shaft...)
	c.add(`<path class="%s head" d="M%s %s %s %s %s %sz"/>`, class, n(x), n(y), n(bx-half*uy), n(by+half*ux), n(bx+half*uy), n(by-half*ux))
}

// cross draws the mark of a blocked attempt.
func (c *canvas) cross(class string, x, y, r float64) {
	c.add(`<path class="%s" d="M%s %s %s %sM%s %s %s %s"/>`, class, n(x-r), n(y-r), n(x+r), n(y+r), n(x-r), n(y+r), n(x+r), n(y-r))
}

func (c *canvas) text(class string, x, y float64, s string) {
	c.add(`<text class="%s" x="%s" y="%s">%s</text>`, class, n(x), n(y), escape(s))
}

// font holds what the width of a text depends on. The widths are those of the widest fonts that browsers use for "sans-serif" and
// "monospace".
type font struct {
	size float64
	bold bool
	mono bool
}

func (f font) width(s string) float64 {
	total := 0.0
	for _, r := range s {
		total += f.advance(r)
	}
	return total * f.size
}

func (f font) advance(r rune) float64 {
	switch {
	case unicode.Is(unicode.Mn, r):
		return 0
	case r >= 0x1100 && unicode.In(r, unicode.Han, unicode.Hangul, unicode.Hiragana, unicode.Katakana),
		r >= 0x1F000 || r >= 0xFF00 && r < 0xFF61:
		return 1.1
	case f.mono:
		return 0.603
	}
	em := 0.64
	switch {
	case strings.ContainsRune("ijl.,:;'|! ", r):
		em = 0.33
	case strings.ContainsRune("frt()[]-/", r):
		em = 0.41
	case strings.ContainsRune("mwMW@%—", r):
		em = 0.98
	case unicode.IsUpper(r):
		em = 0.73
	case r > 0x2000:
		em = 1
	}
	if f.bold {
		em *= 1.1
	}
	return em
}

// fit shortens a text to a width.
func (f font) fit(s string, width float64) string {
	used, last := 0.0, 0 // last is the end of the text that leaves space for the ellipsis
	space := width - f.advance('…')*f.size
	for i, r := range s {
		if used <= space {
			last = i
		}
		if used += f.advance(r) * f.size; used > width {
			return s[:last] + "…"
		}
	}
	return s
}

// wrap breaks a text at spaces into at most lines lines. The last line is shortened.
func (f font) wrap(s string, width float64, lines int) []string {
	var out []string
	current := ""
	words := strings.Fields(s)
	for i, word := range words {
		next := strings.TrimSpace(current + " " + word)
		if current == "" || f.width(next) <= width {
			current = next
			continue
		}
		if len(out) == lines-1 {
			return append(out, f.fit(current+" "+strings.Join(words[i:], " "), width))
		}
		out, current = append(out, f.fit(current, width)), word
	}
	if current != "" {
		out = append(out, f.fit(current, width))
	}
	return out
}
