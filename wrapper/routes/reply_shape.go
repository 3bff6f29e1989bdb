package routes

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// repliesText is the form of every reply as OpenIM's own protocol module has it. The API of both supported lines writes the
// messages as they are (tools/a2r, internal/api/jssdk), and adds no field by hand to a reply of a user's route.
//
//go:embed replies.txt
var repliesText string

// kind is what a value of a reply is.
type kind int

const (
	kindObject kind = iota
	kindList
	kindMap // an object with any keys
	kindText
	kindBytes // base64 in JSON
	kindBool
	kindInteger
)

// node is the form of one value of one route's reply.
type node struct {
	kind   kind
	path   string // for errors, such as conversations[].ownerUserID
	scalar string // as replies.txt has it
	// of an object
	fields   map[string]*field
	byNumber map[protowire.Number]*field
	// of a list or a map: its elements or values
	inner *node
	// rules about each element or value, and the slots to empty before the next one.
	rules []compiledRule
	below []int
	// slot that the text goes into, or a map's key; -1: none.
	slot int
}

// field is a member of an object.
type field struct {
	name   string
	number protowire.Number
	bit    uint64 // of the members seen, to find one that stands there twice
	node   *node
	// rules about the member as a whole, and the slots to empty before it is read.
	rules []compiledRule
	below []int
}

// replyShape is the declared reply of one route.
type replyShape struct {
	message string
	root    *node
	slots   int
}

// maxMembers is the most that a message may have: seen members are a bit each.
const maxMembers = 64

var replyShapes = compileReplies(repliesText, replyRules)

// message is one of replies.txt: the lines of its fields.
type message []string

// compileReplies builds the shape of each route of the table whose reply is known.
func compileReplies(text string, rules map[string][]Keep) map[string]*replyShape {
	messages, routes := parseReplies(text)
	shapes := map[string]*replyShape{}
	for i := range Table {
		r := &Table[i]
		name, ok := routes[r.Upstream()]
		if !ok || !r.ForUsers() {
			continue
		}
		s := &replyShape{message: name, root: expand(messages, name, "")}
		for _, rule := range rules[r.Upstream()] {
			s.attach(rule)
		}
		s.root.settle()
		shapes[r.Path] = s
	}
	return shapes
}

// parseReplies reads replies.txt: a line that begins with a slash is a route and its message, one that begins with a letter
// a message, the indented ones below it are its fields: name, type and protobuf number.
func parseReplies(text string) (messages map[string]message, routes map[string]string) {
	messages, routes = map[string]message{}, map[string]string{}
	current := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "", line[0] == '#':
		case line[0] == '/':
			path, name, _ := strings.Cut(line, " ")
			routes[path] = name
		case line[0] != ' ':
			current = line
			messages[current] = message{}
		default:
			messages[current] = append(messages[current], strings.TrimSpace(line))
		}
	}
	return messages, routes
}

// ownPrefix stands before the names of the messages of the gateway's own routes.
const ownPrefix = "gateway."

// expand builds the form of a message. Each route has nodes of its own, for its rules.
func expand(messages map[string]message, name, path string) *node {
	lines, known := messages[name]
	if !known || len(lines) > maxMembers {
		panic("replies.txt: message " + name)
	}
	object := &node{kind: kindObject, path: path, slot: -1, fields: map[string]*field{}, byNumber: map[protowire.Number]*field{}}
	for i, line := range lines {
		parts := strings.Fields(line)
		number := 0
		if own := strings.HasPrefix(name, ownPrefix); !own || len(parts) > 2 { // a reply of the gateway's own is no protobuf
			var err error
			if number, err = strconv.Atoi(strings.Join(parts[2:], " ")); err != nil {
				panic("the replies' table: " + name + ": " + line)
			}
		}
		plain := strings.TrimRight(parts[0], "[]{}")
		member := &field{name: plain, number: protowire.Number(number), bit: 1 << i}
		member.node = expandField(messages, parts[0][len(plain):], parts[1], join(path, plain))
		object.fields[plain] = member
		if number != 0 {
			object.byNumber[member.number] = member
		}
	}
	return object
}

// expandField builds the form of a field; of is what stands behind its name: nothing, [] or {}.
func expandField(messages map[string]message, of, scalar, path string) *node {
	switch of {
	case "[]":
		return &node{kind: kindList, path: path, slot: -1, inner: expandField(messages, "", scalar, path+"[]")}
	case "{}":
		return &node{kind: kindMap, path: path, slot: -1, inner: expandField(messages, "", scalar, path+"{}")}
	}
	if strings.Contains(scalar, ".") {
		return expand(messages, scalar, path)
	}
	kinds := map[string]kind{
		"text": kindText, "time": kindText, "bytes": kindBytes, "bool": kindBool,
		"int32": kindInteger, "int64": kindInteger, "uint32": kindInteger, "uint64": kindInteger,
	}
	k, known := kinds[scalar]
	if !known {
		panic("replies.txt: type " + scalar)
	}
	return &node{kind: k, path: path, scalar: scalar, slot: -1}
}

// find walks to a field, such as "msgs{}.Msgs[].sendID". It returns the node that the path names: for one that ends in [] or {}
// the elements', with the list or map as holder; else the member is the holder.
func (s *replyShape) find(path string) (at *node, list *node, member *field) {
	at = s.root
	if path == "" {
		return at, nil, nil
	}
	for step := range strings.SplitSeq(path, ".") {
		plain := strings.TrimRight(step, "[]{}")
		member, list = at.fields[plain], nil
		if member == nil {
			panic(fmt.Sprintf("the reply %s has no %s", s.message, path))
		}
		at = member.node
		if of := step[len(plain):]; of != "" {
			if of == "[]" != (at.kind == kindList) || of == "{}" != (at.kind == kindMap) {
				panic(fmt.Sprintf("%s of the reply %s is declared otherwise", path, s.message))
			}
			list, at = at, at.inner
		}
	}
	return at, list, member
}

// slotOf gives the text at a path a slot: a text, or for a path that ends in {} the key of the map.
func (s *replyShape) slotOf(path string) int {
	at, list, _ := s.find(path)
	if list != nil && list.kind == kindMap {
		at = list
	} else if at.kind != kindText && at.kind != kindBytes {
		panic(fmt.Sprintf("%s of the reply %s is no text", path, s.message))
	}
	if at.slot < 0 {
		at.slot = s.slots
		s.slots++
	}
	return at.slot
}

// settle notes which slots lie below each list, map and member.
func (n *node) settle() []int {
	var all []int
	if n.slot >= 0 {
		all = append(all, n.slot)
	}
	for _, f := range n.fields {
		f.below = f.node.settle()
		all = append(all, f.below...)
	}
	if n.inner != nil {
		n.below = append(n.inner.settle(), all...)
		all = n.below
	}
	return all
}
