package picture

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// state of a connection. Where several connections share a point, the greatest state is drawn.
type state int

const (
	none state = iota
	intended
	exception
	missing // must be open and is shut
	unexpected
)

// class returns the CSS class of a state.
func (s state) class() string { return [...]string{"none", "ok", "exc", "mis", "bad"}[s] }

// model is a report in the terms of the drawing: components, peers, stores, and their connections.
type model struct {
	report    audit.Report
	gateway   *process // nil when the stack has an external wrapper
	backend   *process
	processes []*process
	// outside are the peers that may connect to components.
	outside []*peer
	// intruders are all unexpected sources of the report, drawn as one group.
	intruders intruderGroup
	// callees are processes that other processes call. stores are destinations outside the stack.
	callees, stores []*column
	// flows are the connections that start at gateway or backend.
	flows []flow
}

type process struct {
	name  string
	ports []audit.Port
	// openPorts are the states of ports that sources outside may reach, by number.
	openPorts map[int32]state
	marks     []int // numbers of findings, from 1
	// points by name of column.
	points map[string]*point
	// stopped and breached are the intruders' attempts that were blocked and that succeeded.
	stopped, breached []string
}

type point struct {
	state state
	about []string
}

type peer struct {
	name    string
	peers   []string
	targets []target
}

type target struct {
	process string
	ports   []audit.Port
	state   state
	about   string
}

type intruderGroup struct {
	names                  []string
	tried, stopped, opened int
	expected               []string
}

type column struct {
	name     string
	ports    []string
	marks    []int
	breached []string
}

type flow struct {
	from, to string
	ports    []audit.Port
	about    string
	state    state
}

func newModel(r audit.Report) *model {
	s := &model{report: r}
	all := s.components()
	s.connect(all)
	s.overlayCells(all)
	s.findings(all)
	return s
}

// components returns the components of the report, in the order of the catalogue. Unknown components come last.
func (s *model) components() map[string]*process {
	all := map[string]*process{}
	var order []string
	add := func(name string, inside bool) {
		if _, known := graph.Lookup(name); all[name] == nil && (inside || known) {
			all[name] = &process{name: name, openPorts: map[int32]state{}, points: map[string]*point{}}
			order = append(order, name)
		}
	}
	for _, c := range s.report.Connections {
		add(c.From, c.FromInside)
		add(c.To, c.ToInside)
	}
	for _, c := range s.report.Cells {
		add(c.To, false)
		add(c.From, false)
	}
	rank := func(name string) int {
		i := slices.IndexFunc(openim.Processes(), func(p openim.Process) bool { return string(p.Name) == name })
		if i < 0 {
			return len(all) + slices.Index(order, name)
		}
		return i
	}
	ordered := slices.Clone(order)
	slices.SortStableFunc(ordered, func(a, b string) int { return rank(a) - rank(b) })
	for _, name := range ordered {
		switch name {
		case v1alpha1.ComponentGateway:
			s.gateway = all[name]
		case v1alpha1.ComponentBackend:
			s.backend = all[name]
		default:
			s.processes = append(s.processes, all[name])
		}
	}
	return all
}

func (s *model) connect(all map[string]*process) {
	for _, c := range s.report.Connections {
		from, to := all[c.From], all[c.To]
		state := s.stateOf(c)
		switch {
		case c.FromInside && c.ToInside && (from == s.gateway || from == s.backend):
			s.flows = append(s.flows, flow{from: c.From, to: c.To, ports: c.Ports, about: edgeText(c), state: state})
		case c.FromInside && c.ToInside:
			s.callee(c.To).addPorts(c.Ports)
			from.point(c.To).raise(state, edgeText(c))
		case c.FromInside:
			s.store(c.To).addPorts(c.Ports)
			from.point(c.To).raise(state, edgeText(c))
		case c.ToInside:
			p := s.peer(c)
			p.targets = append(p.targets, target{process: c.To, ports: c.Ports, state: state, about: edgeText(c)})
			for _, port := range c.Ports {
				to.openPorts[port.Number] = max(to.openPorts[port.Number], state)
			}
		}
		if to != nil {
			to.addPorts(c.Ports...)
		}
	}
	for _, c := range s.report.Cells {
		if to := all[c.To]; to != nil {
			to.addPorts(c.Port)
		}
	}
	for _, p := range all {
		slices.SortStableFunc(p.ports, func(a, b audit.Port) int { return int(a.Number) - int(b.Number) })
	}
	rank := func(c *column) int {
		return slices.IndexFunc(s.processes, func(p *process) bool { return p.name == c.name })
	}
	slices.SortStableFunc(s.callees, func(a, b *column) int { return rank(a) - rank(b) })
	slices.SortStableFunc(s.outside, func(a, b *peer) int { return s.beyondGateway(a) - s.beyondGateway(b) })
}

// beyondGateway returns the number of components that a peer reaches without the gateway. Peers are sorted by it, because their lanes
// are longer.
func (s *model) beyondGateway(p *peer) int {
	count := 0
	for _, t := range p.targets {
		if s.gateway == nil || t.process != s.gateway.name {
			count++
		}
	}
	return count
}

// ByException reports whether an exception of the spec opens a connection.
func ByException(r audit.Report, c audit.Connection) bool {
	return c.Field != "" && slices.ContainsFunc(r.Exceptions, func(e audit.Exception) bool { return e.Field == c.Field })
}

// stateOf an intended connection.
func (s *model) stateOf(c audit.Connection) state {
	if ByException(s.report, c) {
		return exception
	}
	return intended
}

// overlayCells adds the cells whose result differs from the intention, and the attempts of intruders.
func (s *model) overlayCells(all map[string]*process) {
	for _, c := range s.report.Cells {
		state := none
		switch {
		case c.Evaluated && !c.Expected:
			state = unexpected
		case !c.Evaluated && c.Expected:
			state = missing
		}
		from, to := all[c.From], all[c.To]
		switch {
		case from == nil && s.peerNamed(c.From) == nil:
			s.attempt(c, to)
		case state == none:
		case from == nil && to != nil:
			p := s.peerNamed(c.From)
			p.targets = append(p.targets, target{process: c.To, ports: []audit.Port{c.Port}, state: state, about: cellText(c)})
		case from != nil && to != nil && s.joined(from.name, to.name, c.Port, state, cellText(c)):
		case from != nil && to != nil:
			s.callee(c.To)
			from.point(c.To).raise(state, cellText(c))
		case from != nil:
			s.store(c.To).addPorts([]audit.Port{c.Port})
			from.point(c.To).raise(state, cellText(c))
		}
	}
}

// joined sets the state of a flow of gateway or backend. It reports false when there is no such flow.
func (s *model) joined(from, to string, port audit.Port, state state, about string) bool {
	for i := range s.flows {
		f := &s.flows[i]
		if f.from == from && f.to == to && slices.Contains(f.ports, port) {
			f.state, f.about = state, about
			return true
		}
	}
	return false
}

// attempt adds an attempt of an intruder at a port.
func (s *model) attempt(c audit.Cell, to *process) {
	if !slices.Contains(s.intruders.names, c.From) {
		s.intruders.names = append(s.intruders.names, c.From)
	}
	s.intruders.tried++
	target := c.To + ":" + portText(c.Port)
	switch {
	case !c.Evaluated:
		s.intruders.stopped++
		if to != nil {
			to.stopped = appendNew(to.stopped, cellText(c))
		}
	case c.Expected:
		s.intruders.expected = appendNew(s.intruders.expected, target)
	default:
		s.intruders.opened++
		if to != nil {
			to.breached = appendNew(to.breached, cellText(c))
			to.openPorts[c.Port.Number] = unexpected
			return
		}
		store := s.store(c.To)
		store.breached = appendNew(store.breached, cellText(c))
	}
}

func (s *model) findings(all map[string]*process) {
	for i, f := range s.report.Findings {
		for _, target := range f.Ports {
			name, number, _ := strings.Cut(target, ":")
			if p := all[name]; p != nil {
				p.marks = appendNew(p.marks, i+1)
				if port, err := strconv.ParseInt(number, 10, 32); err == nil && f.Severity != audit.Low {
					p.openPorts[int32(port)] = unexpected
				}
				continue
			}
			if j := slices.IndexFunc(s.stores, func(c *column) bool { return c.name == name }); j >= 0 {
				s.stores[j].marks = appendNew(s.stores[j].marks, i+1)
			}
		}
	}
}

func (s *model) peer(c audit.Connection) *peer {
	if p := s.peerNamed(c.From); p != nil {
		return p
	}
	p := &peer{name: c.From, peers: c.Peers}
	s.outside = append(s.outside, p)
	return p
}

func (s *model) peerNamed(name string) *peer {
	i := slices.IndexFunc(s.outside, func(p *peer) bool { return p.name == name })
	if i < 0 {
		return nil
	}
	return s.outside[i]
}

func (s *model) callee(name string) *column { return columnIn(&s.callees, name) }
func (s *model) store(name string) *column  { return columnIn(&s.stores, name) }

func columnIn(columns *[]*column, name string) *column {
	i := slices.IndexFunc(*columns, func(c *column) bool { return c.name == name })
	if i < 0 {
		*columns = append(*columns, &column{name: name})
		i = len(*columns) - 1
	}
	return (*columns)[i]
}

func (c *column) addPorts(ports []audit.Port) {
	for _, p := range ports {
		number := strconv.Itoa(int(p.Number))
		c.ports = appendNew(c.ports, number)
	}
}

func (p *process) addPorts(ports ...audit.Port) {
	for _, port := range ports {
		p.ports = appendNew(p.ports, port)
	}
}

func (p *process) point(column string) *point {
	if p.points[column] == nil {
		p.points[column] = &point{}
	}
	return p.points[column]
}

func (p *point) raise(s state, about string) {
	p.state = max(p.state, s)
	p.about = appendNew(p.about, about)
}

func appendNew[T comparable](list []T, value T) []T {
	if slices.Contains(list, value) {
		return list
	}
	return append(list, value)
}

func edgeText(c audit.Connection) string {
	return fmt.Sprintf("%s → %s:%s: %s", c.From, c.To, portsText(c.Ports), c.Reason)
}

// cellText returns the result of a cell and the deciding policies in words.
func cellText(c audit.Cell) string {
	verb := "is shut"
	if c.Evaluated {
		verb = "is open"
	}
	reasons := make([]string, 0, len(c.Decided))
	for _, d := range c.Decided {
		reason := d.Direction + ": " + d.Reason
		if d.Policy != "" {
			reason += " (" + d.Policy + ")"
		}
		reasons = append(reasons, reason)
	}
	text := fmt.Sprintf("%s → %s:%s %s", c.From, c.To, portText(c.Port), verb)
	if len(reasons) > 0 {
		text += "; " + strings.Join(reasons, "; ")
	}
	return text
}

func portText(p audit.Port) string {
	if p.Protocol == "" || p.Protocol == "TCP" {
		return strconv.Itoa(int(p.Number))
	}
	return fmt.Sprintf("%d/%s", p.Number, p.Protocol)
}

func portsText(ports []audit.Port) string {
	var out []string
	for _, p := range ports {
		out = append(out, portText(p))
	}
	return strings.Join(out, ", ")
}
