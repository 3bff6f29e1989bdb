package routes

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// repliesText has the shapes of all replies, generated from OpenIM's protocol module. The API of both supported lines of OpenIM
// writes the messages unchanged (tools/a2r, internal/api/jssdk), and adds no field to a reply of a user's route.
//
//go:embed replies.txt
var repliesText string

// kind is the type of a value of a reply.
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

// node is the shape of one value of one route's reply.
type node struct {
	kind   kind
	path   string // for errors, such as conversations[].ownerUserID
	scalar string // as in replies.txt
	// of an object
	fields   map[string]*field
	byNumber map[protowire.Number]*field
	// of a list or a map: the shape of its elements or values
	inner *node
	// rules for each element or value, and the slots to clear before the next one
	rules []compiledRule
	below []int
	// slot of the text, or of a map's key; -1: none
	slot int
	// ticket is the kind of the ticket that the text is; "": none
	ticket Ticket
}

// field is a member of an object.
type field struct {
	name   string
	number protowire.Number
	bit    uint64 // a bit in the set of members seen, to detect duplicates
	node   *node
	// rules for the member as a whole, and the slots to clear before it is read
	rules []compiledRule
	below []int
}

// replyShape is the declared reply of one route.
type replyShape struct {
	message string
	root    *node
	slots   int
}

// maxMembers is the maximum of a message's members, because the set of seen members has 64 bits.
const maxMembers = 64

var replyShapes = compileReplies(repliesText, replyRules)

// message is one message of replies.txt: the lines of its fields.
type message []string

// compileReplies returns the shape of each route of the table whose reply is known.
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
		for path, kind := range replyTickets[r.Upstream()] {
			at, _, _ := s.find(path)
			if at.kind != kindText || r.Protobuf {
				panic(fmt.Sprintf("%s of the reply %s is not a text in JSON", path, s.message))
			}
			at.ticket = kind
		}
		s.root.collectSlots()
		shapes[r.Path] = s
	}
	return shapes
}

// parseReplies parses replies.txt. A line that begins with a slash is a route and its message, a line that begins with a letter is a
// message, and the indented lines below it are its fields: name, type and protobuf number.
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

// ownPrefix is the prefix of the names of messages of the gateway's own routes.
const ownPrefix = "gateway."

// expand returns the shape of a message. Each route has its own nodes, because they have its rules.
func expand(messages map[string]message, name, path string) *node {
	lines, known := messages[name]
	if !known || len(lines) > maxMembers {
		panic("parsing replies.txt: message " + name)
	}
	object := &node{kind: kindObject, path: path, slot: -1, fields: map[string]*field{}, byNumber: map[protowire.Number]*field{}}
	for i, line := range lines {
		parts := strings.Fields(line)
		number := 0
		if own := strings.HasPrefix(name, ownPrefix); !own || len(parts) > 2 { // a reply of the gateway's own has no protobuf numbers
			var err error
			if number, err = strconv.Atoi(strings.Join(parts[2:], " ")); err != nil {
				panic("parsing the table of replies: " + name + ": " + line)
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

// expandField returns the shape of a field. of is the suffix of its name: "", [] or {}.
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
		panic("parsing replies.txt: type " + scalar)
	}
	return &node{kind: k, path: path, scalar: scalar, slot: -1}
}

// find returns the node of a path, such as "msgs{}.Msgs[].sendID". For a path that ends in [] or {} it is the node of the elements, and
// list is the list or map. Otherwise member is the member.
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
				panic(fmt.Sprintf("%s of the reply %s has another type", path, s.message))
			}
			list, at = at, at.inner
		}
	}
	return at, list, member
}

// slotOf returns the slot of the text at a path, or, for a path that ends in {}, of the map's keys. It assigns one if there is none.
func (s *replyShape) slotOf(path string) int {
	at, list, _ := s.find(path)
	if list != nil && list.kind == kindMap {
		at = list
	} else if at.kind != kindText && at.kind != kindBytes {
		panic(fmt.Sprintf("%s of the reply %s is not a text", path, s.message))
	}
	if at.slot < 0 {
		at.slot = s.slots
		s.slots++
	}
	return at.slot
}

// collectSlots sets the slots below each list, map and member.
func (n *node) collectSlots() []int {
	var all []int
	if n.slot >= 0 {
		all = append(all, n.slot)
	}
	for _, f := range n.fields {
		f.below = f.node.collectSlots()
		all = append(all, f.below...)
	}
	if n.inner != nil {
		n.below = append(n.inner.collectSlots(), all...)
		all = n.below
	}
	return all
}
