package routes

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ownRepliesText is the form of every reply that the gateway itself gives.
//
//go:embed own_replies.txt
var ownRepliesText string

var (
	ownMessages = parseOwnReplies()
	ownShapes   = compileOwnReplies()
)

func parseOwnReplies() map[string]message {
	messages, _ := parseReplies(ownRepliesText)
	return messages
}

// compileOwnReplies builds the shape of each reply that a route of the gateway's own declares.
func compileOwnReplies() map[string]*replyShape {
	shapes := map[string]*replyShape{}
	for i := range OwnRoutes {
		if name := OwnRoutes[i].Reply; name != "" {
			shapes[name] = &replyShape{message: name, root: expand(ownMessages, name, "")}
		}
	}
	return shapes
}

// ProjectReply makes of the data of a reply of the gateway's own what may leave: see Route.ProjectReply. No entry is left out of it.
func (r *OwnRoute) ProjectReply(data []byte) (Reply, error) {
	shape := ownShapes[r.Reply]
	if shape == nil {
		return Reply{}, errNoShape
	}
	p := &projection{}
	out, err := p.json(shape.root, data)
	if err != nil {
		return Reply{}, fmt.Errorf("the reply is not as %s declares it: %w", r.Path, err)
	}
	return Reply{Data: out, Fields: p.fields}, nil
}

// ReplyFields are the members that a route's reply may have, with what stands in them, such as devices[].id. Sorted.
func (r *OwnRoute) ReplyFields() []string {
	var all []string
	if shape := ownShapes[r.Reply]; shape != nil {
		shape.root.walk(&all)
	}
	slices.Sort(all)
	return all
}

func (n *node) walk(all *[]string) {
	switch {
	case n.kind == kindObject:
		for _, f := range n.fields {
			f.node.walk(all)
		}
	case n.inner != nil:
		n.inner.walk(all)
	default:
		*all = append(*all, n.path)
	}
}

// docsOwnReplies writes what the gateway's own replies are made of.
func docsOwnReplies(b *strings.Builder) {
	b.WriteString(`
### What the gateway's own routes answer

The data of the envelope, and nothing else: a member that does not stand here does not leave. [] is a list, {} a map with any keys, time a
text in the form of RFC 3339; what has not happened yet is absent.

| reply | members |
|---|---|
`)
	for _, name := range slices.Sorted(maps.Keys(ownMessages)) {
		var members []string
		for _, line := range ownMessages[name] {
			field, kind, _ := strings.Cut(line, " ")
			members = append(members, "`"+field+"` "+kind)
		}
		if members == nil {
			members = []string{"none"}
		}
		fmt.Fprintf(b, "| %s | %s |\n", name, strings.Join(members, ", "))
	}
}
