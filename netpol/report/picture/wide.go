package picture

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// Measures of the drawing in its own units. One unit is a pixel at natural size.
const (
	naturalWidth = 1280.0 // more when there are many stores
	margin       = 14.0
	outsideWidth = 150.0
	borderX      = 242.0
	borderWidth  = 9.0
	gatewayX     = 206.0
	gatewayEnd   = 342.0
	cardX        = 424.0
	cardWidth    = 254.0
	cardHeight   = 28.0
	pitch        = 33.0 // from row to row
	peerPitch    = 62.0
	peerHeight   = 52.0
	columnsX     = 736.0
	maxColumn    = 23.0
	minColumn    = 20.0
	maxStore     = 42.0
	minStore     = 25.0
)

// layout holds the positions of all elements.
type layout struct {
	*model
	canvas
	top, zoneEnd       float64 // of the wrapper's zone
	rowsTop, boxBottom float64
	boxEnd             float64 // right side
	columnStep         float64
	storeX, storeStep  float64
	storeBottom        float64
	width, height      float64
	peerY              map[string]float64
	rowY               map[string]float64
	columnAt           map[string]float64
}

// Standalone draws a report as a picture with a heading, the verdict and the findings in words.
func Standalone(r audit.Report) string { return draw(r, true) }

// Embedded draws a report for a page that contains the verdict and the findings in words.
func Embedded(r audit.Report) string { return draw(r, false) }

func draw(r audit.Report, alone bool) string {
	l := &layout{
		model: newModel(r), width: naturalWidth,
		peerY: map[string]float64{}, rowY: map[string]float64{}, columnAt: map[string]float64{},
	}
	header := 12.0
	if alone {
		header = 92
	}
	l.place(header)
	l.box()
	l.storeBars()
	l.grid()
	l.wires()
	l.drawIntruders()
	l.drawPeers()
	l.wrapper()
	l.cards()
	l.legend()
	if alone {
		l.heading()
		l.list()
	}
	return l.wrapSVG()
}

// wrapSVG returns the SVG document with the drawing.
func (l *layout) wrapSVG() string {
	var c canvas
	width, height := n(l.width), n(l.height)
	c.add(`<svg xmlns="http://www.w3.org/2000/svg" class="oa" viewBox="0 0 %s %s" width="%s" height="%s" `, width, height, width, height)
	c.WriteString(`role="img" aria-labelledby="oa-title oa-desc">`)
	c.add("\n<title id=\"oa-title\">%s</title>\n<desc id=\"oa-desc\">%s</desc>\n", escape(l.titleText()), escape(l.describe()))
	c.add("<style>%s</style>\n", style)
	c.rect("bg", 0, 0, l.width, l.height, 0)
	c.WriteString("\n" + l.canvas.String() + "</svg>\n")
	return c.String()
}

func (l *layout) titleText() string {
	return fmt.Sprintf("Who reaches what in the OpenIMStack %s/%s", l.report.Stack.Namespace, l.report.Stack.Name)
}

// describe returns the content of the drawing in words.
func (l *layout) describe() string {
	var b strings.Builder
	for _, p := range l.outside {
		var to []string
		for _, t := range p.targets {
			to = append(to, t.process+":"+portsText(t.ports))
		}
		fmt.Fprintf(&b, "%s may reach %s. ", p.name, strings.Join(to, ", "))
	}
	fmt.Fprintf(&b, "The stack runs %d OpenIM processes", len(l.processes))
	if l.gateway != nil {
		b.WriteString(" behind the wrapper's gateway and backend")
	}
	b.WriteString(". ")
	if s := l.intruders; s.tried > 0 {
		fmt.Fprintf(&b, "Intruders (%s) make %d attempts: %d are blocked, %d succeed and must not. ",
			strings.Join(s.names, ", "), s.tried, s.stopped, s.opened)
	}
	var stores []string
	for _, c := range l.stores {
		stores = append(stores, c.name)
	}
	if len(stores) > 0 {
		fmt.Fprintf(&b, "The stack reaches %s. ", strings.Join(stores, ", "))
	}
	fmt.Fprintf(&b, "Findings: %d. Exceptions: %d.", len(l.report.Findings), len(l.report.Exceptions))
	return b.String()
}

// place computes the positions of all elements, from top to bottom.
func (l *layout) place(header float64) {
	headers := l.headerHeight(l.stores, maxStore)
	l.top = header + max(34, headers)
	atGateway := 0
	for _, p := range l.outside {
		if l.beyondGateway(p) == 0 {
			atGateway++
		}
	}
	y := l.top + 14
	for _, p := range l.outside[:atGateway] {
		l.peerY[p.name] = y + peerHeight/2
		y += peerPitch
	}
	l.zoneEnd = y + 6
	if l.gateway != nil {
		l.zoneEnd = max(y, l.top+14+2*peerPitch) + 6
	}
	y = l.zoneEnd
	for _, p := range l.outside[atGateway:] {
		l.peerY[p.name] = y + peerHeight/2
		y += peerPitch
	}
	l.rowsTop = max(y+12, l.zoneEnd+l.headerHeight(l.callees, maxColumn)+26)
	if l.gateway != nil {
		l.rowY[l.gateway.name] = l.top + 24
	}
	if l.backend != nil {
		l.rowY[l.backend.name] = l.top + 72
	}
	for i, p := range l.processes {
		l.rowY[p.name] = l.rowsTop + (float64(i)+.5)*pitch
	}
	l.boxBottom = l.rowsTop + float64(max(len(l.processes), 6))*pitch + 14
	l.columns()
	l.height = l.boxBottom + 58
	if len(l.breachedStores()) > 0 {
		l.height += 22
	}
}

// columns divides the width among the columns of processes and stores.
func (l *layout) columns() {
	const (
		beyondCalls = 50 // for the last head, which rises to the right
		gap         = 30 // between the box and the stores
		slack       = 30 // for the last store's head
	)
	calls, stores := float64(len(l.callees)), float64(len(l.stores))
	space := naturalWidth - margin - columnsX - beyondCalls - gap - slack
	l.columnStep = min(maxColumn, max(minColumn, (space-stores*minStore)/max(calls, 1)))
	l.storeStep = min(maxStore, max(minStore, (space-calls*l.columnStep)/max(stores, 1)))
	used := calls*l.columnStep + stores*l.storeStep
	l.width = naturalWidth + max(0, used-space)
	spare := max(0, space-used) // widens the box, not the gaps
	l.boxEnd = columnsX + calls*l.columnStep + beyondCalls + spare
	l.storeX = l.boxEnd + gap
	for i, c := range l.callees {
		l.columnAt["in:"+c.name] = columnsX + spare/3 + (float64(i)+.5)*l.columnStep
	}
	for i, c := range l.stores {
		l.columnAt["out:"+c.name] = l.storeX + (float64(i)+.5)*l.storeStep
	}
	l.storeBottom = l.boxBottom - 4
}

const slant = 52 // degrees of the column headings; sine 0.79

func (l *layout) headerHeight(columns []*column, step float64) float64 {
	longest := 0.0
	for _, c := range columns {
		longest = max(longest, small.width(headText(c))*.92+4+mono.width(headPort(c)))
	}
	return min(longest, 190)*0.79 + step/4 + 10
}

// headText returns the heading of a column.
func headText(c *column) string { return small.fit(strings.TrimPrefix(c.name, "rpc-"), 140) }

func headPort(c *column) string {
	if len(c.ports) == 0 {
		return ""
	}
	text := ":" + c.ports[0]
	if len(c.ports) > 1 {
		text += "+" + strconv.Itoa(len(c.ports)-1)
	}
	return text
}
