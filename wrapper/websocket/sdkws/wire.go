package sdkws

import "google.golang.org/protobuf/encoding/protowire"

// walk calls see for each field of a protobuf message, with the value of a number or the content of bytes. It stops at the first
// malformed field.
func walk(message []byte, see func(n protowire.Number, value int64, content []byte)) {
	for len(message) > 0 {
		n, kind, size := protowire.ConsumeTag(message)
		if size < 0 {
			return
		}
		message = message[size:]
		var value uint64
		var content []byte
		switch kind {
		case protowire.VarintType:
			value, size = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			content, size = protowire.ConsumeBytes(message)
		default:
			size = protowire.ConsumeFieldValue(n, kind, message)
		}
		if size < 0 {
			return
		}
		message = message[size:]
		see(n, int64(value), content)
	}
}

func text(out []byte, n protowire.Number, value string) []byte {
	return protowire.AppendString(protowire.AppendTag(out, n, protowire.BytesType), value)
}

func message(out []byte, n protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(out, n, protowire.BytesType), value)
}

func number(out []byte, n protowire.Number, value int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(out, n, protowire.VarintType),
		uint64(value)) //nolint:gosec // protobuf encodes negative numbers so
}
