package picture

import (
	"fmt"
	"time"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// heading draws the stack, the verdict and the counts.
func (l *layout) heading() {
	r := l.report
	l.text("h", margin, 34, font{size: 21, bold: true}.fit(fmt.Sprintf("%s/%s", r.Stack.Namespace, r.Stack.Name), 700))
	line := "OpenIM " + r.Stack.Version
	if !r.Time.IsZero() {
		line += "  ·  " + r.Time.UTC().Format(time.RFC3339)
	}
	if r.Source.Name != "" {
		line += "  ·  " + r.Source.Name
	}
	if r.Digest != "" {
		line += "  ·  " + r.Digest
	}
	l.text("s", margin, 54, small.fit(line, l.width-2*margin))
	l.text("s", margin, 74, small.fit(CountsText(r.Counts), l.width-2*margin))
	label, class := Verdict(r)
	w := font{size: 13, bold: true}.width(label) + 30
	l.rect("pill "+class, l.width-margin-w, 14, w, 27, 13.5)
	l.add(`<text class="b mid" style="fill:#fff" x="%s" y="32">%s</text>`, n(l.width-margin-w/2), escape(label))
	l.WriteByte('\n')
}

// CountsText returns the counts of a report in words.
func CountsText(c audit.Counts) string {
	return fmt.Sprintf("%d pods  ·  %d policies  ·  %d connections  ·  %d cells: %d open, %d shut, %d not as intended",
		c.Pods, c.Policies, c.Connections, c.Cells, c.Open, c.Shut, c.Unexpected)
}

// Verdict returns the verdict of a report in words, and its CSS class: ok, bad, or exc for an unknown verdict.
func Verdict(r audit.Report) (words, class string) {
	switch r.Verdict {
	case audit.VerdictSealed:
		return "Sealed", "ok"
	case audit.VerdictFindings:
		if len(r.Findings) == 1 {
			return "1 finding", "bad"
		}
		return fmt.Sprintf("%d findings", len(r.Findings)), "bad"
	default:
		return "Could not tell", "exc"
	}
}

// legend draws the meaning of the marks below the box.
func (l *layout) legend() {
	y := l.boxBottom + 40
	if len(l.breachedStores()) > 0 {
		y += 22
	}
	x := margin
	for _, item := range []struct {
		state state
		text  string
	}{
		{intended, "intended connection"}, {exception, "exception of the spec"},
		{unexpected, "open, must be shut"}, {missing, "shut, must be open"},
	} {
		l.dot(&point{state: item.state}, x+6, y-4)
		l.text("s", x+18, y, item.text)
		x += 18 + small.width(item.text) + 20
	}
	l.circle("crossed", x+6, y-4, 7)
	l.cross("cross", x+6, y-4, 3)
	l.text("s", x+19, y, "blocked")
	x += 19 + small.width("blocked") + 20
	l.rect("chip", x, y-13, 34, 17, 4)
	l.text("s", x+40, y, "sealed port")
	x += 40 + small.width("sealed port") + 18
	l.rect("chip ok", x, y-13, 34, 17, 4)
	l.text("s", x+40, y, "port reachable from outside")
	l.WriteByte('\n')
}

// most is the maximum number of findings below a standalone picture.
const most = 8

// list draws findings and exceptions as text.
func (l *layout) list() {
	y := l.height + 14
	line := func(class, id, text string) {
		l.text("b "+class, margin, y, id)
		l.text("s", margin+34, y, small.fit(text, l.width-2*margin-34))
		y += 19
	}
	for i, f := range l.report.Findings {
		if i == most {
			line("badt", "…", fmt.Sprintf("%d more findings", len(l.report.Findings)-most))
			break
		}
		object := small.fit(ObjectText(f.Object), 420)
		class, severity := "badt", string(f.Severity)
		if f.Excepted != nil {
			class, severity = "exct", severity+" · excepted, expires "+f.Excepted.Expires
		}
		line(class, fmt.Sprintf("F%d", i+1), fmt.Sprintf("%s · %s · %s · %s", severity, f.Kind, object, f.Reason))
	}
	for _, e := range l.report.Exceptions {
		line("exct", "E", fmt.Sprintf("%s · %s", e.Name, e.Lets))
	}
	l.height = y + 4
}

// ObjectText returns kind, namespace and name of an object, for example NetworkPolicy im/open.
func ObjectText(o audit.Object) string {
	name := o.Name
	if o.Namespace != "" {
		name = o.Namespace + "/" + name
	}
	return o.Kind + " " + name
}
