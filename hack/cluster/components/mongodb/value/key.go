package value

import (
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Key returns a string that is the same for two values exactly if they compare equal, for use as a map key: $group and $addToSet treat 1,
// 1.0 and NumberLong(1) as one value.
func Key(v any) string {
	var b strings.Builder
	writeKey(&b, v)
	return b.String()
}

func writeKey(b *strings.Builder, v any) {
	b.WriteString(strconv.Itoa(Class(v)))
	b.WriteByte(':')
	switch x := v.(type) {
	case int32, int64, float64, bson.Decimal128:
		b.WriteString(numberKey(v))
	case string, bson.Symbol:
		b.WriteString(strconv.Quote(text(v)))
	case bson.D:
		b.WriteByte('{')
		for _, e := range x {
			b.WriteString(strconv.Quote(e.Key))
			b.WriteByte('=')
			writeKey(b, e.Value)
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case bson.A:
		b.WriteByte('[')
		for _, e := range x {
			writeKey(b, e)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case nil, bson.Null, Missing, bson.Undefined:
	default:
		if _, raw, err := bson.MarshalValue(v); err == nil {
			b.WriteString(strconv.Quote(string(raw)))
		}
	}
}

func numberKey(v any) string {
	if i, ok := Int(v); ok {
		return strconv.FormatInt(i, 10)
	}
	switch f := float(v); {
	case f != f:
		return "nan"
	case f > maxFinite:
		return "+inf"
	case f < -maxFinite:
		return "-inf"
	}
	return rat(v).RatString()
}

const maxFinite = 0x1p1023 * (1 + (1 - 0x1p-52))
