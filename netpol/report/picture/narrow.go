package picture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// Measures of the narrow drawing, for screens that are held in a hand.
const (
	narrowWidth  = 400.0
	narrowPitch  = 31.0
	narrowCard   = 42.0 // where rows begin: on their left are the lanes
	narrowMargin = 6.0
)

// narrow is the drawing for a hand: the outside above, the strangers below, the stores on the right as in the wide one.
type narrow struct {
	*model
	canvas
	boxTop, boxBottom, boxEnd float64
	headTop, rowsTop          float64
	cardEnd                   float64
	rowY, columnAt            map[string]float64
	height                    float64
}

// Narrow draws a report for a small screen, for a page that holds Within too: it is styled by that.
func Narrow(r audit.Report) string {
	l := &narrow{model: newModel(r), rowY: map[string]float64{}, columnAt: map[string]float64{}}
	l.place()
	l.rect("box", narrowMargin, l.boxTop, l.boxEnd-narrowMargin, l.boxBottom-l.boxTop, 9)
	l.columns()
	l.rows()
	l.guests()
	l.strange()
	var c canvas
	words := &layout{model: l.model}
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" class="oa oa-narrow" viewBox="0 0 %s %s" role="img" aria-labelledby="oa-narrow-title oa-narrow-desc">`, n(narrowWidth), n(l.height))
	c.add("\n<title id=\"oa-narrow-title\">%s</title>\n<desc id=\"oa-narrow-desc\">%s</desc>\n", escape(words.titleText()), escape(words.describe()))
	c.rect("bg", 0, 0, narrowWidth, l.height, 0)
	c.WriteString("\n" + l.canvas.String() + "</svg>\n")
	return c.String()
}

var (
	narrowName = font{size: 11, bold: true}
	narrowMono = font{size: 9, mono: true}
	narrowText = font{size: 10}
)

func (l *narrow) place() {
	calls, stores := float64(len(l.callees)), float64(len(l.stores))
	step := 13.0
	if calls+stores > 17 {
		step = 221 / (calls + stores)
	}
	storeX := narrowWidth - narrowMargin - stores*step
	l.boxEnd = storeX - 8
	callsX := l.boxEnd - 8 - calls*step
	l.cardEnd = callsX - 4
	for i, c := range l.callees {
		l.columnAt["in:"+c.name] = callsX + (float64(i)+.5)*step
	}
	for i, c := range l.stores {
		l.columnAt["out:"+c.name] = storeX + (float64(i)+.5)*step
	}
	l.boxTop = max(40+15*float64(len(l.outside))+24, l.headHeight(l.stores)+8)
	y := l.boxTop + 22
	for _, p := range []*process{l.gateway, l.backend} {
		if p != nil {
			l.rowY[p.name] = y
			y += narrowPitch + 8
		}
	}
	l.headTop = y - narrowPitch/2
	l.rowsTop = l.headTop + max(13*float64(l.inward())+4+l.headHeight(l.callees), 20)
	for i, p := range l.processes {
		l.rowY[p.name] = l.rowsTop + (float64(i)+.5)*narrowPitch
	}
	l.boxBottom = l.rowsTop + float64(len(l.processes))*narrowPitch + 8
	l.height = l.boxBottom + 12
	if l.intruders.tried > 0 {
		l.height += 112
	}
}

// inward counts the wrapper's ways into OpenIM.
func (l *narrow) inward() int {
	count := 0
	for _, f := range l.model.flows {
		if l.backend == nil || f.to != l.backend.name {
			count++
		}
	}
	return count
}

// headHeight is what names that stand upright take.
func (l *narrow) headHeight(columns []*column) float64 {
	longest := 0.0
	for _, c := range columns {
		longest = max(longest, narrowText.width(l.head(c)))
	}
	return longest + 6
}

func (l *narrow) head(c *column) string {
	port := headPort(c)
	return strings.TrimSpace(narrowText.fit(strings.TrimPrefix(c.name, "rpc-"), 112-narrowText.width(port)) + " " + port)
}

func (l *narrow) columns() {
	upright := func(c *column, x, y float64) {
		l.add(`<text class="s" transform="translate(%s %s)rotate(-90)">%s</text>`, n(x+3.5), n(y), escape(l.head(c)))
	}
	for _, c := range l.stores {
		x := l.columnAt["out:"+c.name]
		upright(c, x, l.boxTop-5)
		l.rect("store", x-4.5, l.boxTop, 9, l.boxBottom-l.boxTop, 4)
	}
	for _, c := range l.callees {
		x := l.columnAt["in:"+c.name]
		upright(c, x, l.rowsTop-4)
		l.line("lane", x, l.rowsTop, x, l.boxBottom-10)
	}
	l.text("b", narrowCard, l.rowsTop-6, narrowName.fit(fmt.Sprintf("%d processes", len(l.processes)), l.cardEnd-narrowCard))
	l.WriteByte('\n')
}

func (l *narrow) rows() {
	wide := &layout{model: l.model} // for its dots, which are the same
	for _, p := range append([]*process{l.gateway, l.backend}, l.processes...) {
		if p == nil {
			continue
		}
		y := l.rowY[p.name]
		wrapper := p == l.gateway || p == l.backend
		l.wire(wide, p, y)
		class := "card"
		if wrapper {
			class = "key"
		}
		top, height := y-13, 26.0
		if p == l.gateway {
			top, height = l.boxTop-8, 43
		}
		l.open(fmt.Sprintf("%s: %s", p.name, portsText(p.ports)))
		l.rect(class, narrowCard, top, l.cardEnd-narrowCard, height, 5)
		room := l.cardEnd - narrowCard - 12
		if len(p.marks) > 0 {
			label := "F" + strconv.Itoa(p.marks[0])
			if len(p.marks) > 1 {
				label += "+"
			}
			w := font{size: 9, bold: true}.width(label) + 7
			room -= w + 3
			l.rect("mark", l.cardEnd-w-3, y-11, w, 12, 6)
			l.text("onmark mid", l.cardEnd-w/2-3, y-2, label)
		}
		l.text("b", narrowCard+6, y-1, narrowName.fit(p.name, room))
		l.ports(p, y+9)
		l.close()
	}
	if l.gateway != nil && l.backend != nil {
		l.arrow("go", narrowCard+16, l.rowY[l.gateway.name]+13, narrowCard+16, l.rowY[l.backend.name]-13)
		l.arrow("go", narrowCard+16, l.rowY[l.backend.name]+13, narrowCard+16, l.headTop+14)
	}
	l.flows()
}

// flows are the wrapper's ways in, in words: there is no room for lines.
func (l *narrow) flows() {
	y := l.headTop + 8
	for _, f := range l.model.flows {
		if l.backend != nil && f.to == l.backend.name {
			continue
		}
		l.open(f.about)
		class := "s"
		if f.state == unexpected || f.state == missing {
			class = "s badt"
		}
		l.text(class, narrowCard+26, y, narrowText.fit(fmt.Sprintf("%s → %s:%s", f.from, f.to, portsText(f.ports)), l.boxEnd-narrowCard-40))
		l.close()
		y += 13
	}
}

// ports writes a component's ports, the open ones in the colour of who opened them.
func (l *narrow) ports(p *process, y float64) {
	x := narrowCard + 6
	for _, port := range p.ports {
		label := portText(port)
		w := narrowMono.width(label)
		if x+w > l.cardEnd-3 {
			return
		}
		class := "m"
		switch p.openPorts[port.Number] {
		case intended:
			class += " okt"
		case exception:
			class += " exct"
		case unexpected, missing:
			class += " badt b"
		}
		l.text(class, x, y, label)
		x += w + 5
	}
}

func (l *narrow) wire(wide *layout, p *process, y float64) {
	end := 0.0
	for name := range p.points {
		end = max(end, l.columnAt["in:"+name], l.columnAt["out:"+name])
	}
	if end == 0 {
		return
	}
	l.line("wire", l.cardEnd, y, end, y)
	for _, kind := range []struct {
		prefix  string
		columns []*column
	}{{"in:", l.callees}, {"out:", l.stores}} {
		for _, c := range kind.columns {
			if pt := p.points[c.name]; pt != nil {
				wide.dot(pt, l.columnAt[kind.prefix+c.name], y)
			}
		}
	}
	l.WriteString(wide.canvas.String())
	wide.canvas.Reset()
	l.WriteByte('\n')
}

// guests lists who is let in, leads them to the door, and past it where the spec says so.
func (l *narrow) guests() {
	if len(l.outside) == 0 {
		return
	}
	height := 22 + 15*float64(len(l.outside))
	end := l.boxEnd - 6
	l.rect("card", narrowMargin, 8, end-narrowMargin, height, 7)
	l.text("zone", narrowMargin+8, 22, "LET IN FROM OUTSIDE")
	beyond, worstBeyond, door := false, none, false
	for i, p := range l.outside {
		y := 37 + 15*float64(i)
		places := l.places(p)
		w := narrowText.width(places)
		l.open(p.name + ": " + strings.Join(orAnyone(p.peers), "; "))
		l.text("b", narrowMargin+8, y, narrowName.fit(p.name, end-narrowMargin-w-24))
		l.text("s end "+textClass(worst(p.targets)), end-8, y, places)
		l.close()
		for _, t := range p.targets {
			if l.gateway != nil && t.process == l.gateway.name {
				door = true
			} else {
				beyond, worstBeyond = true, max(worstBeyond, t.state)
			}
		}
	}
	if door {
		x := (narrowCard + l.cardEnd) / 2
		l.arrow("go", x, 8+height, x, l.boxTop-8)
	}
	if !beyond {
		return
	}
	const x = 32.0
	low := l.boxTop
	for _, p := range l.outside {
		for _, t := range p.targets {
			low = max(low, l.rowY[t.process]+5)
		}
	}
	l.line("go thin "+worstBeyond.class(), x, 8+height, x, low)
	l.rect("slot "+worstBeyond.class(), x-6, l.boxTop-6, 12, 12, 3)
	for _, p := range l.outside {
		for _, t := range p.targets {
			if l.gateway == nil || t.process != l.gateway.name {
				y := l.rowY[t.process] + 5
				if t.state != intended {
					y -= 6
				}
				l.arrow("go thin "+t.state.class(), x, y, narrowCard, y)
			}
		}
	}
	l.WriteByte('\n')
}

func (l *narrow) places(p *peer) string {
	if len(p.targets) == 1 || l.beyondGateway(p) == 0 {
		var out []string
		for _, t := range p.targets {
			out = appendNew(out, t.process+":"+portsText(t.ports))
		}
		return narrowText.fit(strings.Join(out, " "), 130)
	}
	return narrowText.fit(portsOf(p.targets), 130)
}

func textClass(s state) string {
	switch s {
	case exception:
		return "exct"
	case unexpected, missing:
		return "badt"
	default:
		return ""
	}
}

// strange draws the strangers below: a fan to the wall, and lines to where they get through.
func (l *narrow) strange() {
	s := l.intruders
	if s.tried == 0 {
		return
	}
	top := l.boxBottom + 56
	middle := narrowMargin + 120
	l.open("strangers: " + strings.Join(s.names, ", "))
	marks := float64(len(l.processes))
	for i, p := range l.processes {
		if len(p.stopped) > 0 && len(p.breached) == 0 {
			x := narrowCard + (l.boxEnd-narrowCard-12)*(float64(i)+.5)/max(marks, 1)
			l.open(strings.Join(p.stopped, "\n"))
			l.line("try", middle, top, x, l.boxBottom+9)
			l.circle("crossed", x, l.boxBottom+4, 5.5)
			l.cross("cross", x, l.boxBottom+4, 2.3)
			l.close()
		}
	}
	const x = 17.0
	for _, p := range append([]*process{l.gateway, l.backend}, l.processes...) {
		if p != nil && len(p.breached) > 0 {
			l.open(strings.Join(p.breached, "\n"))
			l.arrow("go bad", x, top, x, l.rowY[p.name]-5, narrowCard, l.rowY[p.name]-5)
			l.close()
		}
	}
	for _, c := range l.stores {
		if len(c.breached) > 0 || len(c.marks) > 0 {
			at := l.columnAt["out:"+c.name]
			l.open(strings.Join(c.breached, "\n"))
			l.arrow("go bad", narrowMargin+240, top+24, at, top+24, at, l.boxBottom)
			l.close()
		}
	}
	l.rect("enemy", narrowMargin, top, 240, 50, 8)
	l.text("b badt", narrowMargin+9, top+16, "intruders")
	l.text("s", narrowMargin+78, top+16, narrowText.fit(strings.Join(s.names, ", "), 152))
	l.text("s", narrowMargin+9, top+37, fmt.Sprintf("%d attempts", s.tried))
	l.text("b okt", narrowMargin+86, top+37, fmt.Sprintf("%d stopped", s.stopped))
	if s.opened > 0 {
		l.text("b badt", narrowMargin+158, top+37, fmt.Sprintf("%d through", s.opened))
	}
	l.close()
}
