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

// errMalformed is a protobuf message that no honest encoder writes. The socket is closed.
var errMalformed = errors.New("the data are not the request's protobuf message")

// argument is a well-formed field that breaks a rule. The frame is refused, the socket goes on.
type argument struct {
	reason string
	text   string
}

func (a *argument) Error() string { return a.text }

func badField(f *Field) error {
	return &argument{"argument", fmt.Sprintf("%s is out of bounds: see docs/websocket.md", f.Name)}
}

// badID: OpenIM writes some ids into patterns as they are.
func badID(f *Field) error {
	return &argument{"argument", fmt.Sprintf("%s must hold %s", f.Name, ids.Rule)}
}

// found is what one walk over a message saw.
type found struct {
	numbers       map[string]int64
	texts         map[string]string
	contentBytes  int
	conversations []string
	users         int
	listed        map[string][]string // texts of lists, by the field's name
	pulled        int64               // messages asked for, over all conversations
	foreignSelf   bool                // a Self field names somebody else
	options       map[string]bool
}

// walk rewrites messages by the rules of their fields. Only what is listed gets through.
type walk struct {
	user   string
	strike map[string]bool // conversations that are not the user's: entries naming one are left out
	found  found
}

// message reads one message and returns it rewritten: kept fields in their order, without those that are set afterwards.
// struck says that it names a conversation that is left out.
func (w *walk) message(in []byte, fields []Field) (out []byte, struck bool, err error) {
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
		if value.struck && !f.Repeated {
			struck = true
		}
		if value.keep && !value.struck {
			out = append(protowire.AppendTag(out, num, typ), value.bytes...)
		}
		in = in[n+size:]
	}
	return out, struck, nil
}

// value is one field's value as it goes on, with its length before it.
type value struct {
	bytes  []byte
	keep   bool
	struck bool
}

func (w *walk) value(f *Field, typ protowire.Type, in []byte, count *int64) (value, int, error) {
	if *count > 0 && !f.Repeated {
		return value{}, 0, errMalformed // the last would win in OpenIM, whichever we looked at
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
		struck, err := w.text(f, content)
		whole.struck = struck
		return whole, end, err
	case Raw:
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
	inner, struck, err := w.message(content, f.Fields)
	if err == nil && f.Repeated {
		err = w.span(w.found.conversations[named:])
	}
	w.found.numbers = before
	return value{bytes: protowire.AppendBytes(nil, inner), keep: true, struck: struck}, end, err
}

// kept: what the rules Self, Session, Server and Shown are about is set afterwards, once, whatever the client wrote.
func (f *Field) kept() bool {
	return f.Rule != Self && f.Rule != Session && f.Rule != Server && f.Rule != Shown
}

// varint reads a number in its shortest form alone.
func varint(in []byte) (uint64, int) {
	v, n := protowire.ConsumeVarint(in)
	if n != protowire.SizeVarint(v) {
		return 0, -1
	}
	return v, n
}

func (w *walk) number(f *Field, v uint64) error {
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

func (w *walk) text(f *Field, content []byte) (struck bool, err error) {
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
	case Parties:
		id := string(content)
		if !ids.LegalConversation(id) {
			return false, badID(f)
		}
		w.found.conversations = append(w.found.conversations, id)
		return w.strike[id], nil
	case Server:
		return false, nil
	}
	text := string(content)
	if f.Rule == Named || (f.Rule == Peer || f.Rule == Group) && text != "" {
		if !ids.Legal(text) {
			return false, badID(f)
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

func (w *walk) packed(f *Field, content []byte) error {
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

// entries bounds a number of a list, and how many there are in all lists of the request.
func (w *walk) entries(f *Field, v uint64) error {
	if w.found.pulled++; w.found.pulled > f.Bound || v > uint64(f.Entry) { //nolint:gosec // bounds are positive
		return badField(f)
	}
	return nil
}

// span bounds one element of a pull, which must name its conversation. Of a notifications' range OpenIM lists every seq in
// memory before it looks, whatever num says.
func (w *walk) span(conversation []string) error {
	if len(conversation) != 1 {
		return &argument{"argument", "each range of a pull must name its conversation"}
	}
	begin, end, num := w.found.numbers["begin"], w.found.numbers["end"], w.found.numbers["num"]
	w.found.pulled += bounds.Listed(begin, end, num, strings.HasPrefix(conversation[0], notificationPrefix))
	if w.found.pulled > bounds.Span {
		return &argument{"argument", "the range of seqs is too long: ask for less at a time"}
	}
	return nil
}

// option reads one entry of map<string, bool>.
func (w *walk) option(entry []byte) error {
	inner := walk{}
	if _, _, err := inner.message(entry, optionEntry); err != nil {
		return err
	}
	name := inner.found.texts["key"]
	if !slices.Contains(OptionKeys, name) {
		return &argument{"option", "an option is not a client's to set: see docs/websocket.md"}
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
