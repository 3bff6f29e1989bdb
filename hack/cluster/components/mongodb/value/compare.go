package value

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Missing is the value of a path without a field. It is not null: expressions leave it out of the documents that they build, and it sorts
// before null.
type Missing struct{}

// IsNullish reports whether v is null, undefined or missing.
func IsNullish(v any) bool {
	switch v.(type) {
	case nil, Missing, bson.Undefined, bson.Null:
		return true
	}
	return false
}

// Truthy reports whether v counts as true in $and, $or, $not, $cond and $filter: false, null, missing and zero are false, everything else
// (also an empty array or string) is true.
func Truthy(v any) bool {
	if IsNullish(v) {
		return false
	}
	if b, ok := v.(bool); ok {
		return b
	}
	if IsNumber(v) {
		return compareNumbers(v, int32(0)) != 0
	}
	return true
}

// IsNumber reports whether v is of one of BSON's numeric types.
func IsNumber(v any) bool {
	switch v.(type) {
	case int32, int64, float64, bson.Decimal128:
		return true
	}
	return false
}

// Class returns the rank of v's type in MongoDB's order of types ("Comparison/Sort Order" in its manual). Values of one class compare by
// content, others by class.
func Class(v any) int {
	switch v.(type) {
	case bson.MinKey:
		return -1
	case Missing, bson.Undefined:
		return 0
	case nil, bson.Null:
		return 5
	case int32, int64, float64, bson.Decimal128:
		return 10
	case string, bson.Symbol:
		return 15
	case bson.D:
		return 20
	case bson.A:
		return 25
	case bson.Binary:
		return 30
	case bson.ObjectID:
		return 35
	case bool:
		return 40
	case bson.DateTime:
		return 45
	case bson.Timestamp:
		return 47
	case bson.Regex:
		return 50
	case bson.DBPointer:
		return 55
	case bson.JavaScript:
		return 60
	case bson.CodeWithScope:
		return 65
	case bson.MaxKey:
		return 127
	}
	return 126
}

// Compare orders any two values: negative, zero or positive as a sorts before, with or after b.
func Compare(a, b any) int {
	if c := cmp.Compare(Class(a), Class(b)); c != 0 {
		return c
	}
	switch x := a.(type) {
	case int32, int64, float64, bson.Decimal128:
		return compareNumbers(a, b)
	case string, bson.Symbol:
		return strings.Compare(text(a), text(b))
	case bson.D:
		return compareDocuments(x, b.(bson.D))
	case bson.A:
		return compareArrays(x, b.(bson.A))
	case bson.Binary:
		return compareBinary(x, b.(bson.Binary))
	case bson.ObjectID:
		y := b.(bson.ObjectID)
		return bytes.Compare(x[:], y[:])
	case bool:
		return cmp.Compare(bit(x), bit(b.(bool)))
	case bson.DateTime:
		return cmp.Compare(x, b.(bson.DateTime))
	case bson.Timestamp:
		y := b.(bson.Timestamp)
		return cmp.Or(cmp.Compare(x.T, y.T), cmp.Compare(x.I, y.I))
	case bson.Regex:
		y := b.(bson.Regex)
		return cmp.Or(strings.Compare(x.Pattern, y.Pattern), strings.Compare(x.Options, y.Options))
	case bson.JavaScript:
		return strings.Compare(string(x), string(b.(bson.JavaScript)))
	}
	return strings.Compare(Key(a), Key(b))
}

func text(v any) string {
	if s, ok := v.(bson.Symbol); ok {
		return string(s)
	}
	return v.(string)
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareDocuments goes field by field: type, then name, then value; the shorter of two equal beginnings comes first.
func compareDocuments(a, b bson.D) int {
	for i := range min(len(a), len(b)) {
		c := cmp.Or(cmp.Compare(Class(a[i].Value), Class(b[i].Value)), strings.Compare(a[i].Key, b[i].Key), Compare(a[i].Value, b[i].Value))
		if c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareArrays(a, b bson.A) int {
	for i := range min(len(a), len(b)) {
		if c := Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

// compareBinary goes by length, then subtype, then content.
func compareBinary(a, b bson.Binary) int {
	return cmp.Or(cmp.Compare(len(a.Data), len(b.Data)), cmp.Compare(a.Subtype, b.Subtype), bytes.Compare(a.Data, b.Data))
}

// compareNumbers compares exactly: no int64 is rounded to a double on the way. NaN sorts before every other number.
func compareNumbers(a, b any) int {
	if x, ok := Int(a); ok {
		if y, ok := Int(b); ok {
			return cmp.Compare(x, y)
		}
	}
	fa, fb := float(a), float(b)
	if math.IsNaN(fa) || math.IsNaN(fb) || math.IsInf(fa, 0) || math.IsInf(fb, 0) {
		return cmp.Compare(fa, fb) // cmp puts NaN first and equal to itself, as MongoDB does
	}
	return rat(a).Cmp(rat(b))
}

// Int gives the integer in v if v is of an integer type.
func Int(v any) (int64, bool) {
	switch x := v.(type) {
	case int32:
		return int64(x), true
	case int64:
		return x, true
	}
	return 0, false
}

// float is v as a double, rounded if it must be. An infinite or NaN decimal stays so.
func float(v any) float64 {
	switch x := v.(type) {
	case int32:
		return float64(x)
	case int64:
		return float64(x)
	case float64:
		return x
	case bson.Decimal128:
		switch {
		case x.IsNaN():
			return math.NaN()
		case x.IsInf() != 0:
			return math.Inf(x.IsInf())
		}
		return 0 // finite decimals are compared by rat
	}
	return math.NaN()
}

func rat(v any) *big.Rat {
	switch x := v.(type) {
	case int32:
		return new(big.Rat).SetInt64(int64(x))
	case int64:
		return new(big.Rat).SetInt64(x)
	case float64:
		return new(big.Rat).SetFloat64(x)
	case bson.Decimal128:
		i, exp, err := x.BigInt()
		if err != nil {
			return new(big.Rat)
		}
		scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(exp, -exp))), nil)
		if exp < 0 {
			return new(big.Rat).SetFrac(i, scale)
		}
		return new(big.Rat).SetInt(i.Mul(i, scale))
	}
	return new(big.Rat)
}
