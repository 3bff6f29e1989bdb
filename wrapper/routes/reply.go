package routes

import (
	"errors"
	"fmt"
)

// Asked is the call that a reply answers.
type Asked struct {
	Caller Caller
	// Body is the request's body as OpenIM got it: from Enforce, after Need.Trim.
	Body map[string]any
	// Protobuf: OpenIM writes the message as protobuf, in base64, where JSON has an object.
	Protobuf bool
	// Member are the conversations that were looked up, and whether the caller is a party of each now. nil: none was yet.
	Member map[string]bool
}

// Reply is what of a reply's data may leave.
type Reply struct {
	Data []byte // nil: none
	// Fields is the number of members that the declared shape does not have, and which were dropped.
	Fields int
	// Entries is the number of entries that are not the caller's, and which were left out.
	Entries int
	// LookUp are conversations of which the reply and the call do not tell whether they are the caller's. When there are some, Data
	// must not be used: call ProjectReply again with Asked.Member.
	LookUp []string
}

// errNoShape refuses a reply of a route that declares none.
var errNoShape = errors.New("the route declares no reply")

// ProjectReply makes of the data of OpenIM's reply to a user what may leave: the members that the route declares, under exactly
// those names, and the entries that are the caller's. What the shape does not know is dropped and counted. A value of another type than
// the declared one is an error: left out, it would read as 0 or "" at the client, which then resets a sequence number or a version.
// null, [] and {} stay what they are, and numbers keep their digits. The error names a declared field, never a value.
func (r *Route) ProjectReply(data []byte, asked Asked) (Reply, error) {
	shape := replyShapes[r.Path]
	if !r.ForUsers() || shape == nil {
		return Reply{}, errNoShape
	}
	if len(data) == 0 {
		return Reply{}, nil
	}
	p := &projection{judge: newJudge(r, asked), slots: make([][]byte, shape.slots)}
	project := p.json
	if asked.Protobuf {
		project = p.protobuf
	}
	out, err := project(shape.root, data)
	if err != nil {
		return Reply{}, fmt.Errorf("the reply is not as %s declares it: %w", r.Path, err)
	}
	return Reply{Data: out, Fields: p.fields, Entries: p.entries, LookUp: p.judge.unknown}, nil
}

// projection is one reply on its way.
type projection struct {
	judge *judge
	// slots hold the texts that rules look at, of the entry that is being read. They point into the reply.
	slots [][]byte

	fields, entries int
}

func (p *projection) set(slot int, text []byte) {
	if slot >= 0 {
		p.slots[slot] = text
	}
}

// forget empties the slots of an entry before the next one is read.
func (p *projection) forget(slots []int) {
	for _, s := range slots {
		p.slots[s] = nil
	}
}

// keeps reports whether an entry that was read obeys the rules about it, and counts it if not.
func (p *projection) keeps(rules []compiledRule) bool {
	for i := range rules {
		if !p.judge.allows(&rules[i], p.slots) {
			p.entries++
			return false
		}
	}
	return true
}
