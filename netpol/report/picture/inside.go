package picture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// box draws the border of the stack and its labels.
func (l *layout) box() {
	l.rect("box", borderX, l.top, l.boxEnd-borderX, l.boxBottom-l.top, 12)
	l.rect("border", borderX-borderWidth/2, l.top+10, borderWidth, l.boxBottom-l.top-20, 4)
	if len(l.processes) > 0 {
		frame := l.rowsTop - 8
		l.rect("inner", cardX-12, frame, l.boxEnd-cardX, l.boxBottom-frame-8, 9)
	}
	l.text("zone", margin, l.top-10, "OUTSIDE")
	stack := fmt.Sprintf("SEALED: %s/%s", l.report.Stack.Namespace, l.report.Stack.Name)
	l.text("zone", borderX+6, l.top-10, sans.fit(stack, l.boxEnd-borderX-20))
	title := fmt.Sprintf("OpenIM, %d processes", len(l.processes))
	l.text("b", cardX+34, l.rowsTop-18, title)
	if len(l.callees) > 0 {
		l.text("s end", l.columnAt["in:"+l.callees[0].name]-l.columnStep/2-10, l.rowsTop-18, "calls →")
	}
}

// storeBars draws the stores as bars, at which the lines of the rows end.
func (l *layout) storeBars() {
	for _, c := range l.stores {
		x := l.columnAt["out:"+c.name]
		l.open(c.name + strings.Join(prefixed(" :", c.ports), ""))
		l.rect("store", x-l.storeStep*.36, l.top, l.storeStep*.72, l.storeBottom-l.top, 7)
		l.head(c, x-2, l.top-8, l.width-4)
		l.close()
	}
	if len(l.stores) > 0 {
		below := 20.0
		if len(l.breachedStores()) > 0 {
			below = 40
		}
		l.text("zone end", l.width-margin, l.storeBottom+below, "REACHED BY THE STACK")
	}
}

func prefixed(prefix string, list []string) []string {
	var out []string
	for _, s := range list {
		out = append(out, prefix+s)
	}
	return out
}

// head draws the name and port of a column, slanted, up to a limit on the right.
func (l *layout) head(c *column, x, y, limit float64) {
	const cosine = 0.616 // of slant
	port := headPort(c)
	name := small.fit(headText(c), (limit-x)/cosine-mono.width(port)-6)
	l.add(`<text class="s" transform="translate(%s %s)rotate(-%d)">%s <tspan class="m">%s</tspan></text>`,
		n(x), n(y), slant, escape(name), escape(port))
}

// grid draws the columns of the processes.
func (l *layout) grid() {
	for _, c := range l.callees {
		x := l.columnAt["in:"+c.name]
		l.line("lane", x, l.rowsTop-4, x, l.boxBottom-20)
		l.open(c.name + strings.Join(prefixed(" :", c.ports), ""))
		l.head(c, x-1, l.rowsTop-12, l.boxEnd-6)
		l.close()
	}
}

// wires draws a line for each row up to its last point, and the points of its connections.
func (l *layout) wires() {
	all := l.processes
	for _, p := range []*process{l.gateway, l.backend} {
		if p != nil {
			all = append([]*process{p}, all...)
		}
	}
	for _, p := range all {
		y, end := l.rowY[p.name], 0.0
		for _, key := range l.keys() {
			if pt := p.points[key[1]]; pt != nil {
				end = max(end, l.columnAt[key[0]+key[1]])
			}
		}
		if end == 0 {
			continue
		}
		l.line("wire", l.rowStart(p), y, end, y)
		for _, key := range l.keys() {
			if pt := p.points[key[1]]; pt != nil {
				l.dot(pt, l.columnAt[key[0]+key[1]], y)
			}
		}
		l.WriteByte('\n')
	}
}

func (l *layout) rowStart(p *process) float64 {
	if p == l.gateway {
		return gatewayEnd
	}
	return cardX + cardWidth
}

// keys returns the columns from left to right: their kind and name.
func (l *layout) keys() [][2]string {
	var keys [][2]string
	for _, c := range l.callees {
		keys = append(keys, [2]string{"in:", c.name})
	}
	for _, c := range l.stores {
		keys = append(keys, [2]string{"out:", c.name})
	}
	return keys
}

// dot draws a point. States differ by shape and by colour: disc, square, diamond, circle.
func (l *layout) dot(p *point, x, y float64) {
	l.open(strings.Join(p.about, "\n"))
	switch class := "dot " + p.state.class(); p.state {
	case exception:
		l.rect(class, x-4.6, y-4.6, 9.2, 9.2, 1)
	case unexpected:
		l.add(`<path class="%s" d="M%s %sl7.5 7.5-7.5 7.5-7.5-7.5z"/>`, class, n(x), n(y-7.5))
	case missing:
		l.circle(class, x, y, 5)
	default:
		l.circle(class, x, y, 4.6)
	}
	l.close()
}

// wrapper draws the gateway and the connections of gateway and backend.
func (l *layout) wrapper() {
	if l.gateway != nil {
		bottom := l.zoneEnd - 8
		l.open("gateway: " + portsText(l.gateway.ports))
		l.rect("key", gatewayX, l.top+8, gatewayEnd-gatewayX, bottom-l.top-8, 10)
		middle := (gatewayX + gatewayEnd) / 2
		l.text("b mid", middle, (l.top+bottom)/2-8, strong.fit(l.gateway.name, 120))
		l.text("s mid", middle, (l.top+bottom)/2+9, "authenticates")
		l.close()
		l.chips(l.gateway, gatewayEnd-8, bottom-13)
		l.mark(l.gateway.marks, gatewayX-6, l.top+10)
		if len(l.gateway.stopped) > 0 {
			// Attempts at the gateway end at its lower corner, outside the lines of the other attempts.
			l.stopped(append(l.gateway.stopped, l.behindGateway()...), gatewayX+14, bottom+1)
		}
	}
	beyond := 0
	for _, f := range l.flows {
		if l.backend == nil || f.to != l.backend.name && f.from != l.backend.name {
			beyond++
		}
		l.flow(f, beyond-1)
	}
}

// behindGateway returns the blocked attempts at the backend, which are drawn at the gateway.
func (l *layout) behindGateway() []string {
	if l.backend == nil {
		return nil
	}
	return l.backend.stopped
}

// flow draws a connection that starts at gateway or backend.
func (l *layout) flow(f flow, i int) {
	class := f.state.class()
	label := ":" + portsText(f.ports)
	y := l.rowY[f.to]
	l.open(f.about)
	defer l.close()
	switch {
	case l.gateway != nil && f.from == l.gateway.name && l.backend != nil && f.to == l.backend.name:
		l.arrow("go "+class, gatewayEnd, y, cardX, y)
		l.text("m mid", (gatewayEnd+cardX)/2, y-6, label)
	case l.backend != nil && f.from == l.backend.name:
		x := cardX + 16
		l.line("halo", x, l.rowY[f.from]+cardHeight/2+2, x, y-cardHeight/2-10)
		l.arrow("go "+class, x, l.rowY[f.from]+cardHeight/2, x, y-cardHeight/2)
		l.text("m", x+7, l.rowY[f.from]+cardHeight/2+17, label)
	default:
		x := gatewayEnd - 48 - 12*float64(i%3)
		start := l.zoneEnd - 8
		l.line("halo", x, start+2, x, y-8, cardX-10, y-8)
		l.arrow("go "+class, x, start, x, y-8, cardX, y-8)
		l.text("m", x+6, y-14, label)
	}
}

// cards draws the backend and the processes with their ports.
func (l *layout) cards() {
	for _, p := range append([]*process{l.backend}, l.processes...) {
		if p == nil {
			continue
		}
		y := l.rowY[p.name]
		class := "card"
		if p == l.backend {
			class = "key"
		}
		l.open(fmt.Sprintf("%s: %s", p.name, portsText(p.ports)))
		l.rect(class, cardX, y-cardHeight/2, cardWidth, cardHeight, 7)
		l.close()
		used := l.chips(p, cardX+cardWidth-7, y)
		l.text("b", cardX+11, y+4.5, strong.fit(p.name, cardWidth-22-used))
		l.mark(p.marks, cardX+cardWidth+4, y)
	}
}

// chips draws the ports of a component from right to left and returns their width.
func (l *layout) chips(p *process, right, y float64) float64 {
	const height, gap = 17.0, 3.0
	x := right
	shown := p.ports
	const most = 3
	if len(shown) > most {
		shown = shown[:most]
	}
	for _, port := range slices.Backward(shown) {
		label := portText(port)
		w := mono.width(label) + 7
		x -= w
		class := "chip"
		if s := p.openPorts[port.Number]; s != none {
			class += " " + s.class()
		}
		l.open(portTitle(p, port))
		l.rect(class, x, y-height/2, w, height, 4)
		l.text("m mid", x+w/2, y+4, label)
		l.close()
		x -= gap
	}
	return right - x
}

func portTitle(p *process, port audit.Port) string {
	title := fmt.Sprintf("%s:%s %s", p.name, portText(port), port.Name)
	switch p.openPorts[port.Number] {
	case intended:
		return title + ", open to peers of the spec"
	case exception:
		return title + ", open by an exception of the spec"
	case unexpected:
		return title + ", open and must be shut, or named by a finding"
	default:
		return title + ", sealed"
	}
}

// mark draws the numbers of findings at a position.
func (l *layout) mark(findings []int, x, y float64) {
	if len(findings) == 0 {
		return
	}
	label := "F" + strconv.Itoa(findings[0])
	if len(findings) > 1 {
		label += " +" + strconv.Itoa(len(findings)-1)
	}
	w := font{size: 10.5, bold: true}.width(label) + 9
	var titles []string
	for _, i := range findings {
		f := l.report.Findings[i-1]
		titles = append(titles, fmt.Sprintf("F%d %s: %s", i, f.Kind, f.Reason))
	}
	l.open(strings.Join(titles, "\n"))
	l.rect("mark", x, y-8, w, 16, 8)
	l.text("onmark mid", x+w/2, y+4, label)
	l.close()
}
