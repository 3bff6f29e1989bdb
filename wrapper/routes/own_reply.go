package routes

import (
	_ "embed"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ownRepliesText has the shapes of all replies of the gateway's own routes.
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

// compileOwnReplies returns the shape of each reply that a route of the gateway's own declares.
func compileOwnReplies() map[string]*replyShape {
	shapes := map[string]*replyShape{}
	for i := range OwnRoutes {
		if name := OwnRoutes[i].Reply; name != "" {
			shapes[name] = &replyShape{message: name, root: expand(ownMessages, name, "")}
		}
	}
	return shapes
}

// ProjectReply returns the part of a reply's data that may be sent: see Route.ProjectReply. It removes no entries.
func (r *OwnRoute) ProjectReply(data []byte) (Reply, error) {
	shape := ownShapes[r.Reply]
	if shape == nil {
		return Reply{}, errNoShape
	}
	p := &projection{}
	out, err := p.json(shape.root, data)
	if err != nil {
		return Reply{}, fmt.Errorf("projecting the reply of %s: %w", r.Path, err)
	}
	return Reply{Data: out, Fields: p.fields}, nil
}

// ReplyFields returns the scalar members that a route's reply may have, such as devices[].id, sorted.
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

// docsOwnReplies writes the members of the gateway's own replies.
func docsOwnReplies(b *strings.Builder) {
	b.WriteString(`
### Replies of the gateway's own routes

The data of the envelope has these members only. [] is a list, {} a map with any keys, time a text in the format of RFC 3339; the time of an
event that has not happened yet is absent.

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
