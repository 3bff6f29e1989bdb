package routes

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// protoField is one field of a body that an official SDK sends as protobuf (OpenIM's protocol/jssdk/jssdk.proto).
type protoField struct {
	number protowire.Number
	name   string // the name in JSON
	list   bool
	whole  bool // an int64; the others are texts
}

var protoForms = map[string][]protoField{
	"/jssdk/get_active_conversations": {{number: 1, name: "ownerUserID"}, {number: 2, name: "count", whole: true}},
	"/jssdk/get_conversations":        {{number: 1, name: "ownerUserID"}, {number: 2, name: "conversationIDs", list: true}},
}

// DecodeProtobuf decodes a body of a route marked Protobuf for Enforce. Unknown fields are removed, and a field that occurs twice is
// refused.
func (r *Route) DecodeProtobuf(data []byte) (map[string]any, error) {
	form, ok := protoForms[r.Path]
	if !ok {
		return nil, errors.New("decoding the body: this route does not accept protobuf: send JSON")
	}
	body := map[string]any{}
	for len(data) > 0 {
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil, errBadProtobuf
		}
		data = data[n:]
		field := fieldOf(form, number)
		if field == nil {
			if n = protowire.ConsumeFieldValue(number, kind, data); n < 0 {
				return nil, errBadProtobuf
			}
			data = data[n:]
			continue
		}
		if n = field.consume(kind, data, body); n < 0 {
			return nil, errBadProtobuf
		}
		data = data[n:]
	}
	return body, nil
}

var errBadProtobuf = malformed("the body is not the protobuf message of this route, with each field once and valid UTF-8")

func fieldOf(form []protoField, number protowire.Number) *protoField {
	for i := range form {
		if form[i].number == number {
			return &form[i]
		}
	}
	return nil
}

// consume decodes a value into the body and returns its length, negative on an error.
func (f *protoField) consume(kind protowire.Type, data []byte, body map[string]any) int {
	old, there := body[f.name]
	switch {
	case there && !f.list:
		return -1
	case f.whole:
		if kind != protowire.VarintType {
			return -1
		}
		v, n := protowire.ConsumeVarint(data)
		body[f.name] = json.Number(strconv.FormatInt(int64(v), 10)) //nolint:gosec // protobuf writes an int64 as these bits
		return n
	}
	if kind != protowire.BytesType {
		return -1
	}
	text, n := protowire.ConsumeBytes(data)
	if n < 0 || !utf8.Valid(text) {
		return -1
	}
	if f.list {
		list, _ := old.([]any)
		body[f.name] = append(list, string(text))
		return n
	}
	body[f.name] = string(text)
	return n
}

// EncodeProtobuf encodes a body (from Enforce) for OpenIM.
func (r *Route) EncodeProtobuf(body map[string]any) ([]byte, error) {
	var out []byte
	for _, f := range protoForms[r.Path] {
		values := []any{body[f.name]}
		if f.list {
			values, _ = body[f.name].([]any)
		}
		for _, v := range values {
			switch v := v.(type) {
			case nil:
			case string:
				out = protowire.AppendTag(out, f.number, protowire.BytesType)
				out = protowire.AppendString(out, v)
			case json.Number:
				n, err := v.Int64()
				if err != nil {
					return nil, fmt.Errorf("encoding the body: %w", err)
				}
				out = protowire.AppendTag(out, f.number, protowire.VarintType)
				out = protowire.AppendVarint(out, uint64(n)) //nolint:gosec // the same, back
			default:
				return nil, fmt.Errorf("encoding the body: %s has no protobuf encoding", f.name)
			}
		}
	}
	return out, nil
}

// IsProtobuf reports whether OpenIM treats a media type as protobuf.
func IsProtobuf(media string) bool {
	return media == MediaTypeProtobuf || media == "application/protobuf"
}

// ReadBody decodes a user's body in JSON or protobuf.
func (r *Route) ReadBody(data []byte, protobuf bool) (map[string]any, *wire.Failure) {
	decode := Decode
	if protobuf {
		decode = r.DecodeProtobuf
	}
	body, err := decode(data)
	if err != nil {
		return nil, refuse(wire.BadRequest, err)
	}
	return body, nil
}

// WriteBody encodes a body in JSON or protobuf.
func (r *Route) WriteBody(body map[string]any, protobuf bool) ([]byte, error) {
	if protobuf {
		return r.EncodeProtobuf(body)
	}
	return Encode(body)
}
