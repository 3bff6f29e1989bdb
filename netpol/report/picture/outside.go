package picture

import (
	"fmt"
	"strconv"
	"strings"
)

// drawPeers draws the peers and their connections: directly to the gateway, or through an opening in the border and along a lane to the
// ports that the spec opens to them.
func (l *layout) drawPeers() {
	lane := 0
	for _, p := range l.outside {
		y := l.peerY[p.name]
		l.peerCard(p, y)
		var atGateway, beyond []target
		for _, t := range p.targets {
			if l.gateway != nil && t.process == l.gateway.name {
				atGateway = append(atGateway, t)
			} else {
				beyond = append(beyond, t)
			}
		}
		start := margin + outsideWidth
		switch {
		case len(beyond) == 0 && len(atGateway) > 0:
			l.open(targetsText(atGateway))
			l.line("halo out", start+2, y, gatewayX-4, y)
			l.arrow("go "+worst(atGateway).class(), start, y, gatewayX, y)
			l.close()
		case len(beyond) > 0:
			x := cardX - 22 - 15*float64(lane%4)
			lane++
			l.lane(atGateway, beyond, start, x, y)
		}
	}
}

func (l *layout) peerCard(p *peer, y float64) {
	l.open(p.name + ": " + strings.Join(orAnyone(p.peers), "; "))
	l.rect("card", margin, y-peerHeight/2, outsideWidth, peerHeight, 9)
	peers := tiny.wrap(shortPeers(p.peers), outsideWidth-20, 2)
	base := y + 4.5 - 6.5*float64(len(peers))
	if strong.width(p.name) <= outsideWidth-20 {
		l.text("b", margin+11, base, p.name)
	} else {
		l.text("b n", margin+11, base, font{size: 11.5, bold: true}.fit(p.name, outsideWidth-18))
	}
	for i, text := range peers {
		l.text("s t", margin+11, base+14+13*float64(i), text)
	}
	l.close()
	label := map[string]bool{}
	var ports []string
	for _, t := range p.targets {
		if l.gateway != nil && t.process == l.gateway.name {
			for _, port := range t.ports {
				if text := ":" + portText(port); !label[text] {
					label[text] = true
					ports = append(ports, text)
				}
			}
		}
	}
	if l.beyondGateway(p) == 0 && len(ports) > 0 {
		l.text("m end x", gatewayX-9, y-5, strings.Join(ports[:min(len(ports), 2)], " "))
	}
}

// shortPeers removes the keys of well-known labels from peers.
func shortPeers(peers []string) string {
	text := strings.Join(orAnyone(peers), "; ")
	for _, key := range []string{"kubernetes.io/metadata.name=", "app.kubernetes.io/name=", "k8s-app=", "pods "} {
		text = strings.ReplaceAll(text, key, "")
	}
	return strings.ReplaceAll(text, " in namespaces ", " in ")
}

func orAnyone(peers []string) []string {
	if len(peers) == 0 {
		return []string{"anyone"}
	}
	return peers
}

// lane draws the connections of a peer through the border and along the rows to its ports.
func (l *layout) lane(atGateway, beyond []target, start, x, y float64) {
	class := worst(beyond).class()
	low, high := y, y
	for _, t := range beyond {
		low, high = min(low, l.rowY[t.process]), max(high, l.rowY[t.process])
	}
	l.line("halo", borderX+8, y, x, y)
	l.line("go thin "+class, start, y, x, y)
	l.line("go thin "+class, x, low+side(low, x, y), x, high+side(high, x, y))
	for _, t := range beyond {
		row := l.rowY[t.process] + side(l.rowY[t.process], x, y)
		l.open(t.about)
		l.line("halo", x+4, row, cardX-4, row)
		l.arrow("go thin "+t.state.class(), x, row, cardX, row)
		l.close()
	}
	if len(atGateway) > 0 {
		l.open(targetsText(atGateway))
		l.arrow("go thin "+worst(atGateway).class(), borderX+20, y, borderX+20, l.zoneEnd-8)
		l.close()
	}
	l.rect("slot "+class, borderX-8, y-7, 16, 14, 3)
	l.text("m", gatewayEnd-40, y-6, mono.fit(portsOf(beyond), x-gatewayEnd+36))
}

// side returns an offset that separates the ends of lanes, and keeps them off the middle of a row, where attempts of intruders end.
func side(row, lane, peer float64) float64 {
	switch {
	case row == peer:
		return 0
	case lane > cardX-30:
		return 4
	default:
		return 10
	}
}

// portsOf returns a short text for ports: their numbers, or their count and name.
func portsOf(targets []target) string {
	names := map[string]bool{}
	var kinds, numbers []string
	count := 0
	for _, t := range targets {
		for _, port := range t.ports {
			count++
			numbers = append(numbers, ":"+portText(port))
			if !names[port.Name] {
				names[port.Name] = true
				kinds = append(kinds, port.Name)
			}
		}
	}
	if count <= 2 {
		return strings.Join(numbers, " ")
	}
	return strconv.Itoa(count) + "× " + kinds[0]
}

func worst(targets []target) state {
	s := none
	for _, t := range targets {
		s = max(s, t.state)
	}
	return s
}

func targetsText(targets []target) string {
	var out []string
	for _, t := range targets {
		out = appendNew(out, t.about)
	}
	return strings.Join(out, "\n")
}

// drawIntruders draws the unexpected sources and a line for each target: blocked at the border, or through it.
func (l *layout) drawIntruders() {
	s := l.intruders
	if s.tried == 0 {
		return
	}
	names := tiny.wrap(strings.Join(s.names, ", "), outsideWidth-20, 4)
	height := 98 + 13*float64(len(names))
	first, last := l.rowsTop, l.boxBottom
	y := (first + last) / 2
	x := margin + outsideWidth
	l.open("intruders: " + strings.Join(s.names, ", "))
	for _, p := range l.processes {
		if len(p.stopped) > 0 && len(p.breached) == 0 {
			l.stopped(p.stopped, borderX-borderWidth/2-3, l.rowY[p.name], x, y)
		}
	}
	for _, p := range append([]*process{l.gateway, l.backend}, l.processes...) {
		if p != nil && len(p.breached) > 0 {
			l.breach(p, x, y)
		}
	}
	for i, c := range l.breachedStores() {
		at := l.columnAt["out:"+c.name]
		below := l.boxBottom + 12 + 5*float64(i)
		l.open(strings.Join(c.breached, "\n"))
		l.arrow("go bad", margin+40+8*float64(i), y+height/2, margin+40+8*float64(i), below, at, below, at, l.storeBottom)
		l.close()
		l.mark(c.marks, at+8, l.boxBottom+8)
	}
	l.rect("intruder", margin, y-height/2, outsideWidth, height, 10)
	l.text("b badt", margin+11, y-height/2+21, "intruders")
	line := y - height/2 + 39
	for _, text := range names {
		l.text("s t", margin+11, line, text)
		line += 13
	}
	line = y + height/2 - 47
	l.text("s", margin+11, line, fmt.Sprintf("%d attempts", s.tried))
	l.text("b okt", margin+11, line+17, fmt.Sprintf("%d blocked", s.stopped))
	if s.opened > 0 {
		l.text("b badt", margin+11, line+34, fmt.Sprintf("%d succeeded", s.opened))
	} else if len(s.expected) > 0 {
		l.text("s", margin+11, line+34, small.fit(fmt.Sprintf("%d open ports", len(s.expected)), outsideWidth-20))
	}
	l.close()
}

// stopped draws a blocked attempt: a cross, and a line from the given position, if any.
func (l *layout) stopped(about []string, x, y float64, from ...float64) {
	l.open(strings.Join(about, "\n"))
	if len(from) == 2 {
		l.line("try", from[0], from[1], x-7, y)
	}
	l.circle("crossed", x-1, y, 7)
	l.cross("cross", x-1, y, 3)
	l.close()
}

// breach draws an attempt that succeeds.
func (l *layout) breach(p *process, x, y float64) {
	l.open(strings.Join(p.breached, "\n"))
	defer l.close()
	if p == l.gateway {
		between := (margin + outsideWidth + gatewayX) / 2
		l.line("halo out", between, y-30, between, l.zoneEnd)
		l.arrow("go bad", x, y-30, between, y-30, between, l.zoneEnd-20, gatewayX, l.zoneEnd-20)
		return
	}
	row := l.rowY[p.name] - 2
	l.rect("gap", borderX-borderWidth/2-1, row-8, borderWidth+2, 16, 2)
	l.line("halo", borderX+8, row, cardX-10, row)
	l.arrow("go bad", x, y, borderX-10, row, cardX, row)
}

func (l *layout) breachedStores() []*column {
	var out []*column
	for _, c := range l.stores {
		if len(c.breached) > 0 || len(c.marks) > 0 {
			out = append(out, c)
		}
	}
	return out
}
