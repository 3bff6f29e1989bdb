package routes

import (
	"errors"
	"fmt"
)

// Asked is the call to which a reply belongs.
type Asked struct {
	Caller Caller
	// Body is the request's body that OpenIM received: from Enforce, after Need.Trim.
	Body map[string]any
	// Protobuf: the reply's data is the message as protobuf in base64, instead of a JSON object.
	Protobuf bool
	// Member has the conversations that were checked, and whether the caller is a participant of each now. nil: none was checked yet.
	Member map[string]bool
}

// Reply is the part of a reply that may be sent to the client.
type Reply struct {
	Data []byte // nil: none
	// Fields is the number of removed members that the declared shape does not have.
	Fields int
	// Entries is the number of removed entries that are not the caller's.
	Entries int
	// LookUp lists conversations that must be checked, because neither the reply nor the call shows whether they are the caller's. If
	// there are any, Data must not be used: call ProjectReply again with Asked.Member.
	LookUp []string
}

// errNoShape is the error for a route that declares no reply.
var errNoShape = errors.New("the route declares no reply")

// ProjectReply returns the part of a reply's data that a user may receive: the members that the route declares, with exactly these names,
// and the entries that are the caller's. Unknown members are removed and counted. A value of another type than the declared one is an
// error: if it were removed, the client would read 0 or "", and reset a sequence number or a version. null, [] and {} stay unchanged, and
// numbers keep their digits. The error names a declared field, never a value.
func (r *Route) ProjectReply(data []byte, asked Asked) (Reply, error) {
	shape := replyShapes[r.Path]
	if !r.ForUsers() || shape == nil {
		return Reply{}, errNoShape
	}
	if len(data) == 0 {
		return Reply{}, nil
	}
	p := &projection{ownership: newOwnership(r, asked), slots: make([][]byte, shape.slots)}
	project := p.json
	if asked.Protobuf {
		project = p.protobuf
	}
	out, err := project(shape.root, data)
	if err != nil {
		return Reply{}, fmt.Errorf("projecting the reply of %s: %w", r.Path, err)
	}
	return Reply{Data: out, Fields: p.fields, Entries: p.entries, LookUp: p.ownership.unknown}, nil
}

// projection is the state of ProjectReply for one reply.
type projection struct {
	ownership *ownership
	// slots holds the texts that rules need, of the entry that is being read. They are slices of the reply.
	slots [][]byte

	fields, entries int
}

func (p *projection) set(slot int, text []byte) {
	if slot >= 0 {
		p.slots[slot] = text
	}
}

// clearSlots clears the slots of an entry before the next one is read.
func (p *projection) clearSlots(slots []int) {
	for _, s := range slots {
		p.slots[s] = nil
	}
}

// keep reports whether an entry satisfies its rules, and counts it if not.
func (p *projection) keep(rules []compiledRule) bool {
	for i := range rules {
		if !p.ownership.allows(&rules[i], p.slots) {
			p.entries++
			return false
		}
	}
	return true
}
