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

What is not listed here is denied, in both directions, by the policy %s of the stack. The tables are of a stack named %s in namespace %s
that asks for everything which adds a connection: users, a key set that is fetched, traces, an object store, named clients and administrators,
monitoring, the WebSocket opened, and one extra way out. Stores are at their usual ports; a real stack has the ports of its own pods.
A connection inside the stack stands in two policies and needs both. TCP goes without saying.

`

// page is the whole of it.
func page() []byte {
	var out bytes.Buffer
	full := fullest()
	fmt.Fprintf(&out, head, code(name+"-"+graph.DefaultDeny), code(name), code(namespace))
	for _, part := range []struct {
		title, text string
		direction   graph.Direction
	}{
		{"Into the stack", "Who is outside comes in here and nowhere else.", graph.Ingress},
		{"Inside the stack", "The gateway authenticates, the backend alone calls OpenIM's HTTP API, and OpenIM's processes call one another as its source does.", graph.Internal},
		{"Out of the stack", "Nothing in a stack reaches the API server, or anything else that is not here.", graph.Egress},
	} {
		fmt.Fprintf(&out, "## %s\n\n%s\n\n", part.title, part.text)
		edges(&out, full, func(c graph.Connection) bool { return c.Direction == part.direction })
	}
	fmt.Fprintf(&out, "## With a wrapper of one's own\n\n`spec.wrapper.externalRef` takes the place of gateway and backend. These connections are then there instead of all of theirs; what OpenIM's\nprocesses have stays.\n\n")
	edges(&out, own(), func(c graph.Connection) bool { return c.From.Name == graph.OwnWrapper })
	ports(&out, full, plain())
	exceptions(&out, append(full.Exceptions(), own().Exceptions()...))
	return out.Bytes()
}

func edges(out *bytes.Buffer, g graph.Graph, wanted func(graph.Connection) bool) {
	row(out, "from", "to", "port", "what for", "asked for by", "policies")
	row(out, "---", "---", "---", "---", "---", "---")
	for _, c := range g.Connections {
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

// ports says of each port of each component what it is to those outside: by the fullest spec, and by one that names nobody.
func ports(out *bytes.Buffer, full, plain graph.Graph) {
	fmt.Fprintf(out, "## Ports: sealed, or a door\n\nA sealed port is reached by nobody outside the stack. A door is open to those whom the spec names, or to anyone when it names nobody.\n\n")
	row(out, "component", "port", "reached from inside by", "outside, when the spec names nobody", "outside, when it names all that it can")
	row(out, "---", "---", "---", "---", "---")
	bare := plain.Targets()
	for _, target := range full.Targets() {
		i := slices.IndexFunc(bare, func(t graph.Target) bool { return t.Component == target.Component && t.Port == target.Port })
		row(out, target.Component, fmt.Sprintf("%s (%s)", target.Port, target.Port.Name), among(callers(full, target)), access(bare[i]), access(target))
	}
	fmt.Fprintln(out)
}

// callers are the components that reach a port.
func callers(g graph.Graph, target graph.Target) []string {
	var all []string
	for _, c := range g.To(target.Component) {
		if c.Direction == graph.Internal && slices.Contains(c.Ports, target.Port) {
			all = append(all, c.From.Name)
		}
	}
	return all
}

func access(t graph.Target) string {
	switch t.Access {
	case graph.OpenToAnyone:
		return "door: anyone"
	case graph.OpenToNamed:
		var names []string
		for _, p := range t.Parties {
			names = append(names, p.Name)
		}
		return "door: " + strings.Join(names, ", ")
	default:
		return "sealed"
	}
}

func exceptions(out *bytes.Buffer, all []graph.Exception) {
	fmt.Fprintf(out, "## Exceptions\n\nWhat a spec opens beyond what a stack needs to work. Each is listed in the status and in every audit for as long as it is there.\n\n")
	row(out, "exception", "asked for by", "lets", "risk")
	row(out, "---", "---", "---", "---")
	for _, e := range all {
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
