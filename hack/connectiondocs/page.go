package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/netpol/graph"
)

const head = `# Connections

Generated from the catalogue of OpenIM's processes and the graph in netpol/graph by "go generate ./netpol/graph". Do not edit.

Connections that are not listed here are denied, in both directions, by the policy %s of the stack. The tables show
a stack named %s in namespace %s whose spec requests everything that adds a connection: users, a fetched key set, traces, an object
store, named clients and administrators, monitoring, the direct WebSocket, and one entry of extraEgress. Stores have their usual ports; a
real stack has the ports of its own pods. A connection inside the stack is in two policies and needs both. The
protocol is TCP unless stated.

`

// page returns the complete page.
func page() []byte {
	var out bytes.Buffer
	full := fullest()
	fmt.Fprintf(&out, head, code(name+"-"+graph.DefaultDeny), code(name), code(namespace))
	for _, part := range []struct {
		title, text string
		direction   graph.Direction
	}{
		{"Into the stack", "The only connections from outside the stack.", graph.Ingress},
		{"Inside the stack", "Only the backend and an upgrade's check call OpenIM's HTTP API, " +
			"and OpenIM's processes call one another as in its source code.", graph.Internal},
		{"Out of the stack", "No component reaches the API server or any other server that is not listed here.", graph.Egress},
	} {
		fmt.Fprintf(&out, "## %s\n\n%s\n\n", part.title, part.text)
		edges(&out, full, func(c graph.Edge) bool { return c.Direction == part.direction })
	}
	fmt.Fprintf(&out, "## With an external wrapper\n\n"+
		"`spec.wrapper.externalRef` replaces gateway and backend. These connections replace all of theirs. The connections of "+
		"OpenIM's\nprocesses stay.\n\n")
	edges(&out, own(), func(c graph.Edge) bool { return c.From.Name == graph.OwnWrapper })
	ports(&out, full, plain())
	exceptions(&out, append(full.Exceptions(), own().Exceptions()...))
	return out.Bytes()
}

func edges(out *bytes.Buffer, g graph.Graph, wanted func(graph.Edge) bool) {
	row(out, "from", "to", "port", "reason", "requested by", "policies")
	row(out, "---", "---", "---", "---", "---", "---")
	for _, c := range g.Edges {
		if !wanted(c) {
			continue
		}
		var policies []string
		for _, p := range g.PolicyNames(c) {
			policies = append(policies, code(p))
		}
		field := "every stack"
		if c.Field != "" {
			field = code(c.Field)
		}
		row(out, c.From.Name, c.To.Name, numbers(c.Ports), c.Reason, field, strings.Join(policies, ", "))
	}
	fmt.Fprintln(out)
}

// ports lists the access to each port of each component, for the fullest spec and for a spec without peers.
func ports(out *bytes.Buffer, full, plain graph.Graph) {
	fmt.Fprintf(out, "## Ports: sealed or open\n\nA sealed port accepts no source outside the stack. "+
		"An open port accepts the peers that the spec names, or any\nsource when the spec names none.\n\n")
	row(out, "component", "port", "reached from inside by", "outside, without peers in the spec", "outside, with all peers in the spec")
	row(out, "---", "---", "---", "---", "---")
	bare := plain.Targets()
	for _, target := range full.Targets() {
		i := slices.IndexFunc(bare, func(t graph.Target) bool { return t.Component == target.Component && t.Port == target.Port })
		port := fmt.Sprintf("%s (%s)", target.Port, target.Port.Name)
		row(out, target.Component, port, among(callers(full, target)), access(bare[i]), access(target))
	}
	fmt.Fprintln(out)
}

// callers returns the components that reach a port.
func callers(g graph.Graph, target graph.Target) []string {
	var all []string
	for _, c := range g.EdgesTo(target.Component) {
		if c.Direction == graph.Internal && slices.Contains(c.Ports, target.Port) {
			all = append(all, c.From.Name)
		}
	}
	return all
}

func access(t graph.Target) string {
	switch t.Access {
	case graph.OpenToAnyone:
		return "open: anyone"
	case graph.OpenToNamed:
		var names []string
		for _, p := range t.Peers {
			names = append(names, p.Name)
		}
		return "open: " + strings.Join(names, ", ")
	default:
		return "sealed"
	}
}

func exceptions(out *bytes.Buffer, all []graph.Exception) {
	fmt.Fprintf(out, "## Exceptions\n\n"+
		"Connections that a spec requests beyond those that a stack needs to work. The status and every audit list them.\n\n")
	row(out, "exception", "requested by", "allows", "risk")
	row(out, "---", "---", "---", "---")
	listed := map[string]bool{} // both examples have the exceptions of OpenIM's processes
	for _, e := range all {
		if listed[e.Name] {
			continue
		}
		listed[e.Name] = true
		row(out, code(e.Name), code(e.Field), e.Lets, e.Risk)
	}
}

func row(out *bytes.Buffer, cells ...string) {
	for i, c := range cells {
		cells[i] = strings.ReplaceAll(c, "|", `\|`)
	}
	fmt.Fprintf(out, "| %s |\n", strings.Join(cells, " | "))
}

func numbers(ports []graph.Port) string {
	var all []string
	for _, p := range ports {
		all = append(all, p.String())
	}
	return strings.Join(all, ", ")
}

func among(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

func code(text string) string { return "`" + text + "`" }
