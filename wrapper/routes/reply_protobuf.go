package routes

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

var errNotProtobuf = errors.New("not a protobuf message in base64")

// protobuf projects the reply to a call in protobuf: a JSON text with the message in base64.
func (p *projection) protobuf(root *node, data []byte) ([]byte, error) {
	var message []byte
	if err := json.Unmarshal(data, &message); err != nil {
		return nil, errNotProtobuf
	}
	out, err := p.message(root, message, make([]byte, 0, len(message)))
	if err != nil {
		return nil, err
	}
	text := make([]byte, 0, base64.StdEncoding.EncodedLen(len(out))+2)
	text = base64.StdEncoding.AppendEncode(append(text, '"'), out)
	return append(text, '"'), nil
}

// message appends the declared fields of a message. A field that occurs twice is an error, because decoders use the last one, or merge
// them.
func (p *projection) message(n *node, in, out []byte) ([]byte, error) {
	var seen uint64
	for len(in) > 0 {
		number, kind, size := protowire.ConsumeTag(in)
		if size < 0 {
			return nil, errNotProtobuf
		}
		in = in[size:]
		if size = protowire.ConsumeFieldValue(number, kind, in); size < 0 {
			return nil, errNotProtobuf
		}
		value := in[:size]
		in = in[size:]
		f := n.byNumber[number]
		if f == nil {
			p.fields++
			continue
		}
		repeated := f.node.kind == kindList || f.node.kind == kindMap
		if seen&f.bit != 0 && !repeated {
			return nil, fmt.Errorf("%s occurs twice", f.node.path)
		}
		seen |= f.bit
		start := len(out)
		rules := f.rules
		if repeated {
			rules = f.node.rules
		}
		if len(rules) > 0 || repeated {
			p.clearSlots(f.below)
		}
		var err error
		if out, err = p.field(f.node, number, kind, value, out); err != nil {
			return nil, err
		}
		if !p.keep(rules) {
			out = out[:start]
		}
	}
	return out, nil
}

// field appends one occurrence of a field with its tag.
func (p *projection) field(n *node, number protowire.Number, kind protowire.Type, value, out []byte) ([]byte, error) {
	if n.kind == kindList {
		if n.inner.kind == kindInteger && kind == protowire.BytesType {
			return packed(n, number, value, out)
		}
		n = n.inner
	}
	if kind != wireType(n.kind) {
		return nil, wrongType(n)
	}
	out = protowire.AppendTag(out, number, kind)
	switch n.kind {
	case kindObject:
		return p.nested(value, out, func(in, out []byte) ([]byte, error) { return p.message(n, in, out) })
	case kindMap:
		return p.nested(value, out, func(in, out []byte) ([]byte, error) { return p.pair(n, in, out) })
	case kindText, kindBytes:
		text, _ := protowire.ConsumeBytes(value)
		if n.kind == kindText && !utf8.Valid(text) {
			return nil, wrongType(n)
		}
		p.set(n.slot, text)
	case kindInteger:
		v, _ := protowire.ConsumeVarint(value)
		if !varintFits(n.scalar, v) {
			return nil, wrongType(n)
		}
	}
	return append(out, value...), nil
}

func wireType(k kind) protowire.Type {
	if k == kindBool || k == kindInteger {
		return protowire.VarintType
	}
	return protowire.BytesType
}

// varintFits reports whether a varint is in the range of a type. Negative numbers are encoded in 64 bits.
func varintFits(scalar string, v uint64) bool {
	if scalar == "int32" || scalar == "int64" {
		return fits(scalar, strconv.FormatInt(int64(v), 10)) //nolint:gosec // protobuf writes an int64 as these bits
	}
	return fits(scalar, strconv.FormatUint(v, 10))
}

// packed appends a list of numbers that is encoded as one value.
func packed(n *node, number protowire.Number, value, out []byte) ([]byte, error) {
	list, _ := protowire.ConsumeBytes(value)
	for len(list) > 0 {
		v, size := protowire.ConsumeVarint(list)
		if size < 0 || !varintFits(n.inner.scalar, v) {
			return nil, wrongType(n.inner)
		}
		list = list[size:]
	}
	return append(protowire.AppendTag(out, number, protowire.BytesType), value...), nil
}

// nested appends a message, and inserts its length afterwards.
func (p *projection) nested(value, out []byte, project func(in, out []byte) ([]byte, error)) ([]byte, error) {
	in, _ := protowire.ConsumeBytes(value)
	start := len(out)
	out, err := project(in, out)
	if err != nil {
		return nil, err
	}
	return slices.Insert(out, start, protowire.AppendVarint(nil, uint64(len(out)-start))...), nil //nolint:gosec // a length
}

// pair appends an entry of a map: the key is field 1, the value field 2.
func (p *projection) pair(n *node, in, out []byte) ([]byte, error) {
	entry := &node{kind: kindObject, path: n.path, slot: -1, byNumber: map[protowire.Number]*field{
		1: {number: 1, bit: 1, node: &node{kind: kindText, path: n.path, scalar: "text", slot: n.slot}},
		2: {number: 2, bit: 2, node: n.inner},
	}}
	return p.message(entry, in, out)
}
