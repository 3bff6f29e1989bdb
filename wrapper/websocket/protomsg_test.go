package websocket

import (
	"google.golang.org/protobuf/encoding/protowire"
)

// pb is a protobuf message that a test builds field by field, as SDKs and attackers write it.
type pb []byte

func (p pb) str(num protowire.Number, s string) pb {
	return protowire.AppendString(protowire.AppendTag(p, num, protowire.BytesType), s)
}

func (p pb) num(num protowire.Number, v int64) pb {
	return protowire.AppendVarint(protowire.AppendTag(p, num, protowire.VarintType), uint64(v))
}

// packed returns the numbers of p as a packed list.
func (p pb) packed(num protowire.Number) pb { return pb{}.str(num, string(p)) }

func (p pb) sub(num protowire.Number, inner pb) pb { return p.str(num, string(inner)) }

// fields decodes a message without a schema: all values of each field.
func fields(data []byte) map[protowire.Number][]any {
	out := map[protowire.Number][]any{}
	for len(data) > 0 {
		num, typ, n := protowire.ConsumeTag(data)
		if n < 0 {
			return nil
		}
		data = data[n:]
		switch typ {
		case protowire.VarintType:
			v, n := protowire.ConsumeVarint(data)
			out[num], data = append(out[num], int64(v)), data[n:]
		case protowire.BytesType:
			v, n := protowire.ConsumeBytes(data)
			out[num], data = append(out[num], string(v)), data[n:]
		default:
			n := protowire.ConsumeFieldValue(num, typ, data)
			if n < 0 {
				return nil
			}
			data = data[n:]
		}
	}
	return out
}

// textMessage returns the request that the Go SDK sends for a text to bob.
func textMessage() pb {
	return pb{}.str(1, "alice").str(2, "bob").str(4, "client-1").num(6, 1).str(7, "Alice").num(9, 1).num(10, 100).num(11, 101).
		str(12, `{"content":"hi"}`).num(17, 1)
}

func groupMessage(group string) pb {
	return pb{}.str(1, "alice").str(3, group).str(4, "client-2").num(9, 3).num(11, 101).str(12, `{"content":"hi"}`)
}

func protoNumber(n int) protowire.Number { return protowire.Number(n) }
