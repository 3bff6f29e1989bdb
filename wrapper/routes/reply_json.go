package routes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// errNotJSON means that the data is not JSON.
var errNotJSON = errors.New("not JSON")

// maxDecodedText is the longest text with escapes that is decoded for a rule. Every id is shorter.
const maxDecodedText = 4 << 10

// jsonReader reads a JSON text once and writes the projected one.
type jsonReader struct {
	*projection
	in  []byte
	at  int
	out []byte
}

// json projects a JSON text.
func (p *projection) json(root *node, data []byte) ([]byte, error) {
	r := &jsonReader{projection: p, in: data, out: make([]byte, 0, len(data))}
	if err := r.value(root); err != nil {
		return nil, err
	}
	if r.next() != 0 {
		return nil, errNotJSON
	}
	return r.out, nil
}

// next returns the next byte that is not blank, and does not consume it; 0 at the end.
func (r *jsonReader) next() byte {
	for r.at < len(r.in) {
		switch c := r.in[r.at]; c {
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			return c
		}
	}
	return 0
}

// expect consumes one expected byte.
func (r *jsonReader) expect(c byte) error {
	if r.next() != c {
		return errNotJSON
	}
	r.at++
	return nil
}

// null consumes a null, and reports whether there was one.
func (r *jsonReader) null() bool {
	if r.next() != 'n' || !bytes.HasPrefix(r.in[r.at:], []byte("null")) {
		return false
	}
	r.at += 4
	r.out = append(r.out, "null"...)
	return true
}

// wrongType returns the error for a value of another type than the declared one.
func wrongType(n *node) error {
	names := [...]string{
		kindObject: "an object", kindList: "a list", kindMap: "an object", kindText: "a text", kindBytes: "a text",
		kindBool: "true or false",
	}
	if n.kind == kindInteger {
		return fmt.Errorf("%s is not of type %s", n.path, n.scalar)
	}
	return fmt.Errorf("%s is not %s", orData(n.path), names[n.kind])
}

func orData(path string) string {
	if path == "" {
		return "data"
	}
	return path
}

// value projects one value of any kind.
func (r *jsonReader) value(n *node) error {
	if r.null() {
		return nil
	}
	c := r.next()
	switch n.kind {
	case kindObject:
		if c == '{' {
			return r.object(n)
		}
	case kindMap:
		if c == '{' {
			return r.dict(n)
		}
	case kindList:
		if c == '[' {
			return r.list(n)
		}
	case kindText, kindBytes:
		if c == '"' {
			return r.textOf(n)
		}
	case kindBool:
		for _, word := range []string{"true", "false"} {
			if bytes.HasPrefix(r.in[r.at:], []byte(word)) {
				r.at += len(word)
				r.out = append(r.out, word...)
				return nil
			}
		}
	case kindInteger:
		return r.integer(n)
	}
	return wrongType(n)
}

func (r *jsonReader) textOf(n *node) error {
	raw, escaped, err := r.text()
	if err != nil {
		return err
	}
	if n.ticket != "" {
		return r.sealed(n, raw, escaped)
	}
	r.out = append(append(append(r.out, '"'), raw...), '"')
	if n.slot >= 0 {
		text, err := plain(raw, escaped)
		if err != nil {
			return err
		}
		r.set(n.slot, text)
	}
	return nil
}

// sealed writes the sealed form of a ticket.
func (r *jsonReader) sealed(n *node, raw []byte, escaped bool) error {
	ticket, err := plain(raw, escaped)
	if err != nil {
		return err
	}
	sealed, err := r.ownership.asked.sealTicket(n.ticket, n.path, string(ticket))
	if err != nil {
		return err
	}
	quoted, err := json.Marshal(sealed)
	if err != nil {
		return errNotJSON
	}
	r.out = append(r.out, quoted...)
	return nil
}

// text consumes a text. It returns the bytes between the quotes, and whether they contain escapes.
func (r *jsonReader) text() (raw []byte, escaped bool, err error) {
	if err := r.expect('"'); err != nil {
		return nil, false, err
	}
	start := r.at
	for {
		end := bytes.IndexByte(r.in[r.at:], '"')
		if end < 0 {
			return nil, false, errNotJSON
		}
		part := r.in[r.at : r.at+end]
		r.at += end + 1
		if bytes.IndexByte(part, '\\') < 0 {
			break
		}
		escaped = true
		// The quote is escaped if an odd number of backslashes precedes it.
		slashes := 0
		for i := r.at - 2; i >= start && r.in[i] == '\\'; i-- {
			slashes++
		}
		if slashes%2 == 0 {
			break
		}
	}
	return r.in[start : r.at-1], escaped, nil
}

// plain decodes a text for a rule.
func plain(raw []byte, escaped bool) ([]byte, error) {
	if !escaped || len(raw) > maxDecodedText {
		return raw, nil
	}
	var text string
	if json.Unmarshal(append(append([]byte{'"'}, raw...), '"'), &text) != nil {
		return nil, errNotJSON
	}
	return []byte(text), nil
}

// integer consumes a whole number in the range of its type. Its digits are kept.
func (r *jsonReader) integer(n *node) error {
	start := r.at
	for r.at < len(r.in) && (r.in[r.at] >= '0' && r.in[r.at] <= '9' || r.in[r.at] == '-') {
		r.at++
	}
	if !fits(n.scalar, string(r.in[start:r.at])) {
		return wrongType(n)
	}
	switch r.next() {
	case 0, ',', '}', ']':
		r.out = append(r.out, r.in[start:r.at]...)
		return nil
	}
	return wrongType(n)
}

func fits(scalar, digits string) bool {
	var err error
	switch scalar {
	case "int32":
		_, err = strconv.ParseInt(digits, 10, 32)
	case "int64":
		_, err = strconv.ParseInt(digits, 10, 64)
	case "uint32":
		_, err = strconv.ParseUint(digits, 10, 32)
	default:
		_, err = strconv.ParseUint(digits, 10, 64)
	}
	return err == nil
}

// each consumes the elements of a list or the members of an object, up to the closing byte.
func (r *jsonReader) each(closing byte, element func() error) error {
	r.at++ // the opening byte
	if r.next() == closing {
		r.at++
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		switch r.next() {
		case ',':
			r.at++
		case closing:
			r.at++
			return nil
		default:
			return errNotJSON
		}
	}
}

// object projects an object. It skips unknown members.
func (r *jsonReader) object(n *node) error {
	r.out = append(r.out, '{')
	var seen uint64
	err := r.each('}', func() error {
		raw, escaped, err := r.text()
		if err != nil {
			return err
		}
		name, err := plain(raw, escaped)
		if err != nil {
			return err
		}
		if err := r.expect(':'); err != nil {
			return err
		}
		f := n.fields[string(name)]
		if f == nil {
			r.fields++
			return r.skip()
		}
		if seen&f.bit != 0 {
			return fmt.Errorf("%s occurs twice", f.node.path)
		}
		seen |= f.bit
		return r.member(f)
	})
	r.out = append(r.out, '}')
	return err
}

// member projects a member, and removes it again if its rules do not keep it.
func (r *jsonReader) member(f *field) error {
	start := len(r.out)
	if r.out[start-1] != '{' {
		r.out = append(r.out, ',')
	}
	r.out = append(append(append(r.out, '"'), f.name...), `":`...)
	none := r.next() == 'n'
	if len(f.rules) > 0 {
		r.clearSlots(f.below)
	}
	if err := r.value(f.node); err != nil {
		return err
	}
	if !none && !r.keep(f.rules) {
		r.out = r.out[:start]
	}
	return nil
}

func (r *jsonReader) list(n *node) error {
	r.out = append(r.out, '[')
	err := r.each(']', func() error { return r.entry(n, '[') })
	r.out = append(r.out, ']')
	return err
}

func (r *jsonReader) dict(n *node) error {
	r.out = append(r.out, '{')
	err := r.each('}', func() error { return r.entry(n, '{') })
	r.out = append(r.out, '}')
	return err
}

// entry consumes an element of a list, or a key and its value, and removes it again if its rules do not keep it. Rules do not apply to
// null.
func (r *jsonReader) entry(n *node, opening byte) error {
	start := len(r.out)
	if r.out[start-1] != opening {
		r.out = append(r.out, ',')
	}
	r.clearSlots(n.below)
	if n.kind == kindMap {
		raw, escaped, err := r.text()
		if err != nil {
			return err
		}
		key, err := plain(raw, escaped)
		if err != nil {
			return err
		}
		r.set(n.slot, key)
		r.out = append(append(append(r.out, '"'), raw...), `":`...)
		if err := r.expect(':'); err != nil {
			return err
		}
	}
	none := n.kind == kindList && r.next() == 'n'
	if err := r.value(n.inner); err != nil {
		return err
	}
	if !none && !r.keep(n.rules) {
		r.out = r.out[:start]
	}
	return nil
}

// skip consumes a value of any type and depth.
func (r *jsonReader) skip() error {
	depth := 0
	for {
		switch c := r.next(); c {
		case 0:
			return errNotJSON
		case '"':
			if _, _, err := r.text(); err != nil {
				return err
			}
		case '{', '[':
			depth++
			r.at++
			continue
		case '}', ']':
			if depth == 0 {
				return errNotJSON
			}
			depth--
			r.at++
		case ',', ':':
			if depth == 0 {
				return errNotJSON
			}
			r.at++
			continue
		default: // a number, or a word
			for r.at < len(r.in) && bytes.IndexByte([]byte(`,:]}" `+"\t\r\n"), r.in[r.at]) < 0 {
				r.at++
			}
		}
		if depth == 0 {
			return nil
		}
	}
}
