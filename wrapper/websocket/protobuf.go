package websocket

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/bounds"
	"github.com/openimstack/openim-operator/wrapper/ids"
)

// errMalformed means a protobuf message that no correct encoder writes. The socket is closed.
var errMalformed = errors.New("decoding the request: not its protobuf message")

// argument is the error of a well-formed field that violates a rule. The frame is refused, and the socket stays open.
type argument struct {
	reason string
	text   string
}

func (a *argument) Error() string { return a.text }

// badField returns the error for a field out of bounds.
func badField(f *Field) error {
	return &argument{"argument", fmt.Sprintf("%s is out of bounds: see docs/websocket.md", f.Name)}
}

// badID returns the error for an illegal id. OpenIM writes some ids into patterns without escaping.
func badID(f *Field) error {
	return &argument{"argument", fmt.Sprintf("%s must hold %s", f.Name, ids.Rule)}
}

// found holds the values that a rewriter found in a message.
type found struct {
	numbers       map[string]int64
	texts         map[string]string
	contentBytes  int
	conversations []string
	users         int
	listed        map[string][]string // texts of lists, by the field's name
	pulled        int64               // number of requested messages, over all conversations
	foreignSelf   bool                // a Self field names another user
	options       map[string]bool
}

// rewriter rewrites messages by the rules of their fields. It removes all fields that are not in the table.
type rewriter struct {
	user   string
	remove map[string]bool // conversations that are not the user's: entries that name one are removed
	found  found
}

// message returns a message rewritten: the kept fields in their order, without those that are set afterwards. removed reports that it
// names a conversation to remove.
func (w *rewriter) message(in []byte, fields []Field) (out []byte, removed bool, err error) {
	out = make([]byte, 0, len(in))
	counts := make([]int64, len(fields))
	for len(in) > 0 {
		num, typ, n := protowire.ConsumeTag(in)
		if n < 0 || n != protowire.SizeTag(num) {
			return nil, false, errMalformed
		}
		at := slices.IndexFunc(fields, func(f Field) bool { return f.Number == num })
		if at < 0 {
			size := protowire.ConsumeFieldValue(num, typ, in[n:])
			if size < 0 || typ == protowire.StartGroupType || typ == protowire.EndGroupType {
				return nil, false, errMalformed
			}
			in = in[n+size:]
			continue
		}
		f := &fields[at]
		value, size, err := w.value(f, typ, in[n:], &counts[at])
		if err != nil {
			return nil, false, err
		}
		if value.removed && !f.Repeated {
			removed = true
		}
		if value.keep && !value.removed {
			out = append(protowire.AppendTag(out, num, typ), value.bytes...)
		}
		in = in[n+size:]
	}
	return out, removed, nil
}

// value is the rewritten value of one field, with its length prefix.
type value struct {
	bytes   []byte
	keep    bool
	removed bool
}

// value checks and rewrites the value of one field, and returns its size in the input. count is the number of earlier values of the
// field.
func (w *rewriter) value(f *Field, typ protowire.Type, in []byte, count *int64) (value, int, error) {
	if *count > 0 && !f.Repeated {
		return value{}, 0, errMalformed // OpenIM uses the last value, which need not be the checked one
	}
	*count++
	if f.Shape == Number || f.Shape == Numbers && typ == protowire.VarintType {
		if typ != protowire.VarintType {
			return value{}, 0, errMalformed
		}
		v, n := varint(in)
		if n < 0 {
			return value{}, 0, errMalformed
		}
		if f.Shape == Numbers {
			return value{bytes: in[:n], keep: true}, n, w.entries(f, v)
		}
		return value{bytes: in[:n], keep: f.kept()}, n, w.number(f, v)
	}
	if typ != protowire.BytesType {
		return value{}, 0, errMalformed
	}
	size, n := varint(in)
	if n < 0 || size > uint64(len(in)-n) { //nolint:gosec // n is within the input
		return value{}, 0, errMalformed
	}
	content, end := in[n:n+int(size)], n+int(size) //nolint:gosec // within the input
	whole := value{bytes: in[:end], keep: f.kept()}
	switch f.Shape {
	case Text:
		if f.Repeated && *count > f.Bound {
			return value{}, 0, badField(f)
		}
		removed, err := w.text(f, content)
		whole.removed = removed
		return whole, end, err
	case Bytes:
		w.found.contentBytes = len(content)
		if int64(len(content)) > f.Bound {
			return value{}, 0, badField(f)
		}
		return whole, end, nil
	case Numbers:
		return whole, end, w.packed(f, content)
	case Switches:
		if *count > f.Bound {
			return value{}, 0, badField(f)
		}
		return whole, end, w.option(content)
	}
	if f.Repeated && *count > f.Bound {
		return value{}, 0, badField(f)
	}
	before, named := w.found.numbers, len(w.found.conversations)
	w.found.numbers = nil
	inner, removed, err := w.message(content, f.Fields)
	if err == nil && f.Repeated {
		err = w.span(w.found.conversations[named:])
	}
	w.found.numbers = before
	return value{bytes: protowire.AppendBytes(nil, inner), keep: true, removed: removed}, end, err
}

// kept reports whether the client's value is passed on. Fields with the rules Self, Session, Server and Shown are set afterwards, once,
// whatever the client sent.
func (f *Field) kept() bool {
	return f.Rule != Self && f.Rule != Session && f.Rule != Server && f.Rule != Shown
}

// varint decodes a number and accepts its shortest encoding only.
func varint(in []byte) (uint64, int) {
	v, n := protowire.ConsumeVarint(in)
	if n != protowire.SizeVarint(v) {
		return 0, -1
	}
	return v, n
}

// number checks a number by the field's rule, and records it.
func (w *rewriter) number(f *Field, v uint64) error {
	if f.Rule == Bounded || f.Rule == Listed {
		if v > uint64(f.Bound) { //nolint:gosec // bounds are positive; a negative number is larger than any
			return badField(f)
		}
	}
	if w.found.numbers == nil {
		w.found.numbers = map[string]int64{}
	}
	w.found.numbers[f.Name] = int64(v) //nolint:gosec // as protobuf has it
	return nil
}

// text checks a text by the field's rule, and records it. removed reports that it names a conversation to remove.
func (w *rewriter) text(f *Field, content []byte) (removed bool, err error) {
	if !utf8.Valid(content) {
		return false, errMalformed
	}
	bound := f.Bound
	if f.Repeated {
		bound = f.Entry
	}
	if f.Rule != Server && int64(len(content)) > bound {
		return false, badField(f)
	}
	switch f.Rule {
	case Self:
		if len(content) > 0 && string(content) != w.user {
			w.found.foreignSelf = true
		}
		return false, nil
	case Conversation:
		id := string(content)
		if !ids.LegalConversation(id) {
			return false, badID(f)
		}
		w.found.conversations = append(w.found.conversations, id)
		return w.remove[id], nil
	case Server:
		return false, nil
	}
	text := string(content)
	if f.Rule == ID || (f.Rule == Peer || f.Rule == Group) && text != "" {
		if !ids.Legal(text) {
			return false, badID(f)
		}
		if f.Rule != Group && ids.Reserved(text) {
			return false, &argument{reasonNoPeer, f.Name + " names a user of the operator's own"}
		}
	}
	if f.Repeated {
		w.found.users++
		if w.found.listed == nil {
			w.found.listed = map[string][]string{}
		}
		w.found.listed[f.Name] = append(w.found.listed[f.Name], text)
		return false, nil
	}
	if w.found.texts == nil {
		w.found.texts = map[string]string{}
	}
	w.found.texts[f.Name] = text
	return false, nil
}

// packed checks a packed list of numbers.
func (w *rewriter) packed(f *Field, content []byte) error {
	for len(content) > 0 {
		v, n := varint(content)
		if n < 0 {
			return errMalformed
		}
		content = content[n:]
		if err := w.entries(f, v); err != nil {
			return err
		}
	}
	return nil
}

// entries checks a number of a list, and the number of entries in all lists of the request.
func (w *rewriter) entries(f *Field, v uint64) error {
	if w.found.pulled++; w.found.pulled > f.Bound || v > uint64(f.Entry) { //nolint:gosec // bounds are positive
		return badField(f)
	}
	return nil
}

// span checks one range of a pull, which must name its conversation. For a range of notifications OpenIM builds a list of all seqs in
// memory before it reads anything, whatever num is.
func (w *rewriter) span(conversation []string) error {
	if len(conversation) != 1 {
		return &argument{"argument", "each range of a pull must name its conversation"}
	}
	begin, end, num := w.found.numbers["begin"], w.found.numbers["end"], w.found.numbers["num"]
	w.found.pulled += bounds.Listed(begin, end, num, strings.HasPrefix(conversation[0], notificationPrefix))
	if w.found.pulled > bounds.Span {
		return &argument{"argument", "the range of seqs is too long: request less at a time"}
	}
	return nil
}

// option checks one entry of map<string, bool>.
func (w *rewriter) option(entry []byte) error {
	inner := rewriter{}
	if _, _, err := inner.message(entry, optionEntry); err != nil {
		return err
	}
	name := inner.found.texts["key"]
	if !slices.Contains(OptionKeys, name) {
		return &argument{"option", "a client may not set this option: see docs/websocket.md"}
	}
	if _, twice := w.found.options[name]; twice {
		return errMalformed
	}
	if w.found.options == nil {
		w.found.options = map[string]bool{}
	}
	w.found.options[name] = inner.found.numbers["value"] == 1
	return nil
}

var optionEntry = []Field{
	{Number: 1, Name: "key", Rule: Bounded, Bound: ids.MaxBytes, Shape: Text},
	{Number: 2, Name: "value", Rule: Bounded, Bound: 1, Shape: Number},
}
