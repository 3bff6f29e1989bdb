package frame

import "math"

// encoding/gob permits the sender to describe its own types, for which the receiver compiles a decoder and allocates memory as described.
// This parser accepts the description of one struct only, whose fields are known by name and type. Their order and omitted zero fields
// are free, as in gob. Everything else is malformed. Format: the package documentation of encoding/gob.

// Ids of the built-in types of gob that the structs use.
const (
	gobInt    = 2
	gobBytes  = 5
	gobString = 6
)

// Limits of a type descriptor. A real one has some hundred bytes.
const (
	maxDescriptor = 512
	maxTypeName   = 64
	firstUserType = 64 // smaller ids are gob's own
	maxUserType   = 1 << 20
)

type gobField struct {
	name string
	kind int64
}

// The fields of the two structs. Field numbers below are indexes of these lists.
var (
	requestFields = []gobField{{"ReqIdentifier", gobInt}, {"Token", gobString}, {"SendID", gobString}, {"OperationID", gobString},
		{"MsgIncr", gobString}, {"Data", gobBytes}}
	replyFields = []gobField{{"ReqIdentifier", gobInt}, {"MsgIncr", gobString}, {"OperationID", gobString}, {"ErrCode", gobInt},
		{"ErrMsg", gobString}, {"Data", gobBytes}}

	requestDescriptor = describe("Req", requestFields)
	replyDescriptor   = describe("Resp", replyFields)
)

// ourType is the type id in encoded frames: the first id that encoding/gob itself assigns.
const ourType = firstUserType + 1

type gobValue struct {
	number int64
	bytes  []byte // aliases the input
}

// gobReader parses gob. After the first error, failed stays true.
type gobReader struct {
	in     []byte
	failed bool
}

func (r *gobReader) fail() { r.failed, r.in = true, nil }

// uint decodes an unsigned integer. An encoding longer than necessary is malformed.
func (r *gobReader) uint() uint64 {
	if len(r.in) == 0 {
		r.fail()
		return 0
	}
	first := r.in[0]
	if first < 0x80 {
		r.in = r.in[1:]
		return uint64(first)
	}
	size := int(-int8(first)) //nolint:gosec // gob's count of bytes is this byte negated
	if size < 1 || size > 8 || len(r.in) < 1+size || r.in[1] == 0 {
		r.fail()
		return 0
	}
	var v uint64
	for _, b := range r.in[1 : 1+size] {
		v = v<<8 | uint64(b)
	}
	if v < 0x80 {
		r.fail()
		return 0
	}
	r.in = r.in[1+size:]
	return v
}

// int decodes a signed integer. The lowest bit says whether the others are complemented.
func (r *gobReader) int() int64 {
	v := r.uint()
	if v&1 == 1 {
		return ^int64(v >> 1)
	}
	return int64(v >> 1)
}

func (r *gobReader) take(n uint64) []byte {
	if n > uint64(len(r.in)) {
		r.fail()
		return nil
	}
	out := r.in[:n]
	r.in = r.in[n:]
	return out
}

func (r *gobReader) text(limit uint64) string {
	n := r.uint()
	if n > limit {
		r.fail()
		return ""
	}
	return string(r.take(n))
}

// expect decodes an unsigned integer that must have one value.
func (r *gobReader) expect(want uint64) {
	if r.uint() != want {
		r.fail()
	}
}

// descriptor decodes the definition of the struct: wireType{StructT: &structType{CommonType{Name, Id}, []fieldType{{Name, Id}}}}. It
// returns the type's id and, for each described field, its index in known.
func descriptor(in []byte, known []gobField) (id int64, order []int, ok bool) {
	r := &gobReader{in: in}
	id = -r.int()
	if id < firstUserType || id > maxUserType {
		return 0, nil, false
	}
	r.expect(3) // wireType's third field: StructT
	r.expect(1) // its first: CommonType
	if field := r.uint(); field == 1 {
		_ = r.text(maxTypeName) // the Go name of the sender's struct, which differs from SDK to SDK
		r.expect(1)
	} else if field != 2 { // a struct without a name
		r.fail()
	}
	if r.int() != id {
		r.fail()
	}
	r.expect(0) // the end of CommonType
	r.expect(1) // the list of fields
	count := r.uint()
	if count == 0 || count > uint64(len(known)) {
		return 0, nil, false
	}
	seen := make([]bool, len(known))
	order = make([]int, 0, count)
	for range count {
		r.expect(1)
		name := r.text(maxTypeName)
		r.expect(1)
		kind := r.int()
		r.expect(0)
		at := place(known, name, kind)
		if r.failed || at < 0 || seen[at] {
			return 0, nil, false
		}
		seen[at] = true
		order = append(order, at)
	}
	r.expect(0) // the end of structType
	r.expect(0) // the end of wireType
	return id, order, !r.failed && len(r.in) == 0
}

func place(known []gobField, name string, kind int64) int {
	for i, f := range known {
		if f.name == name && f.kind == kind {
			return i
		}
	}
	return -1
}

// decodeGob decodes a descriptor and one value. Data after them is malformed. With headOnly the input may be cut off, and decoding stops
// at the field Data.
func decodeGob(in []byte, known []gobField, values []gobValue, headOnly bool) bool {
	r := &gobReader{in: in}
	size := r.uint()
	if size > maxDescriptor {
		return false
	}
	id, order, ok := descriptor(r.take(size), known)
	if !ok {
		return false
	}
	size = r.uint()
	if r.failed || size != uint64(len(r.in)) && (!headOnly || size < uint64(len(r.in))) {
		return false
	}
	if r.int() != id {
		return false
	}
	for field := -1; ; {
		delta := r.uint()
		if r.failed || delta > uint64(len(order)) {
			return false
		}
		if delta == 0 {
			return len(r.in) == 0
		}
		field += int(delta) //nolint:gosec // at most the number of fields
		if field >= len(order) {
			return false
		}
		at := order[field]
		if known[at].kind == gobInt {
			values[at].number = r.int()
			continue
		}
		if headOnly && known[at].kind == gobBytes {
			return !r.failed
		}
		values[at].bytes = r.take(r.uint())
	}
}

func decodeGobRequest(in []byte) (Request, error) {
	var v [6]gobValue
	if !decodeGob(in, requestFields, v[:], false) || !isInt32(v[0].number) {
		return Request{}, ErrMalformed
	}
	return Request{ID: int32(v[0].number), SendID: string(v[2].bytes), OperationID: string(v[3].bytes), MsgIncr: string(v[4].bytes),
		Data: v[5].bytes}, nil //nolint:gosec // checked above
}

func decodeGobReply(in []byte, headOnly bool) (Reply, error) {
	var v [6]gobValue
	if !decodeGob(in, replyFields, v[:], headOnly) || !isInt32(v[0].number) || !isInt32(v[3].number) {
		return Reply{}, ErrMalformed
	}
	return Reply{ID: int32(v[0].number), MsgIncr: string(v[1].bytes), OperationID: string(v[2].bytes), ErrCode: int(v[3].number),
		ErrMsg: string(v[4].bytes), Data: v[5].bytes}, nil //nolint:gosec // checked above
}

func isInt32(n int64) bool { return n >= math.MinInt32 && n <= math.MaxInt32 }

func encodeGobRequest(req Request) []byte {
	return encodeGob(requestDescriptor, requestFields, []gobValue{
		{number: int64(req.ID)}, {}, {bytes: []byte(req.SendID)}, {bytes: []byte(req.OperationID)}, {bytes: []byte(req.MsgIncr)},
		{bytes: req.Data},
	})
}

func encodeGobReply(rep Reply) []byte {
	return encodeGob(replyDescriptor, replyFields, []gobValue{
		{number: int64(rep.ID)}, {bytes: []byte(rep.MsgIncr)}, {bytes: []byte(rep.OperationID)}, {number: int64(rep.ErrCode)},
		{bytes: []byte(rep.ErrMsg)}, {bytes: rep.Data},
	})
}

func encodeGob(descriptor []byte, known []gobField, values []gobValue) []byte {
	size := 16
	for _, v := range values {
		size += len(v.bytes) + 10
	}
	value := appendInt(make([]byte, 0, size), ourType)
	last := -1
	for i, v := range values {
		if v.number == 0 && len(v.bytes) == 0 {
			continue
		}
		value = appendUint(value, uint64(i-last)) //nolint:gosec // positive
		last = i
		if known[i].kind == gobInt {
			value = appendInt(value, v.number)
			continue
		}
		value = append(appendUint(value, uint64(len(v.bytes))), v.bytes...)
	}
	value = append(value, 0)
	out := make([]byte, 0, len(descriptor)+9+len(value))
	out = append(out, descriptor...)
	return append(appendUint(out, uint64(len(value))), value...)
}

// describe returns the encoded message that defines a struct.
func describe(name string, fields []gobField) []byte {
	out := appendInt(nil, -ourType)
	out = append(out, 3, 1, 1)
	out = appendText(out, name)
	out = appendInt(append(out, 1), ourType)
	out = appendUint(append(out, 0, 1), uint64(len(fields)))
	for _, f := range fields {
		out = appendText(append(out, 1), f.name)
		out = append(appendInt(append(out, 1), f.kind), 0)
	}
	out = append(out, 0, 0)
	return append(appendUint(nil, uint64(len(out))), out...)
}

func appendText(out []byte, s string) []byte { return append(appendUint(out, uint64(len(s))), s...) }

func appendInt(out []byte, v int64) []byte {
	if v < 0 {
		return appendUint(out, uint64(^v)<<1|1) //nolint:gosec // not negative after the complement
	}
	return appendUint(out, uint64(v)<<1)
}

func appendUint(out []byte, v uint64) []byte {
	if v < 0x80 {
		return append(out, byte(v))
	}
	size := 8
	for size > 1 && v>>(8*(size-1)) == 0 {
		size--
	}
	out = append(out, byte(-size)) //nolint:gosec // gob's count of bytes, negated
	for i := size - 1; i >= 0; i-- {
		out = append(out, byte(v>>(8*i)))
	}
	return out
}
