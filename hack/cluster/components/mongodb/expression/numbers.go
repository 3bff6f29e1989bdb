package expression

import (
	"math"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// numbersAndDates: arithmetic and conversions. Decimal128 is compared everywhere, but not calculated with.
var numbersAndDates = map[string]func(compiler, any) (evaluator, error){
	"$add":          variadic("$add", 0, unbounded, add),
	"$subtract":     variadic("$subtract", 2, 2, subtract),
	"$sum":          variadic("$sum", 0, unbounded, sum),
	"$toDate":       variadic("$toDate", 1, 1, toDate),
	"$toLong":       variadic("$toLong", 1, 1, toLong),
	"$dateToString": compileDateToString,
}

// Plus adds two numbers as MongoDB does: the result has the wider type, and an integer that outgrows 32 bits becomes 64
// bits wide, one that outgrows those a double. It is false for anything but int32, int64 and double.
func Plus(a, b any) (any, bool) {
	x, xInt := value.Int(a)
	y, yInt := value.Int(b)
	if xInt && yInt {
		// A sum that overflows wraps around, and so has another sign than both of its parts.
		if r := x + y; (x < 0) != (y < 0) || (r < 0) == (x < 0) {
			_, xWide := a.(int64)
			_, yWide := b.(int64)
			if !xWide && !yWide && r == int64(int32(r)) {
				return int32(r), true
			}
			return r, true
		}
		return float64(x) + float64(y), true
	}
	fx, ok := double(a)
	if !ok {
		return nil, false
	}
	fy, ok := double(b)
	return fx + fy, ok
}

func double(v any) (float64, bool) {
	switch x := v.(type) {
	case int32:
		return float64(x), true
	case int64:
		return float64(x), true
	case float64:
		return x, true
	}
	return 0, false
}

// add yields null for any null; one of its arguments may be a date, to which the others are milliseconds.
func add(args bson.A) (any, error) {
	var total any = int32(0)
	dates := 0
	for _, arg := range args {
		if value.IsNullish(arg) {
			return nil, nil
		}
		if d, ok := arg.(bson.DateTime); ok {
			dates++
			arg = int64(d)
		}
		var ok bool
		if total, ok = Plus(total, arg); !ok {
			return nil, fault.New(fault.TypeMismatch, "$add only supports numeric or date types, and no Decimal128")
		}
	}
	switch dates {
	case 0:
		return total, nil
	case 1:
		return date(total)
	}
	return nil, fault.New(16612, "only one date allowed in an $add expression")
}

// date makes a date of milliseconds since 1970.
func date(v any) (any, error) {
	f, ok := double(v)
	if !ok || math.IsNaN(f) || f < math.MinInt64 || f >= math.MaxInt64 {
		return nil, fault.New(241, "cannot make a date of a number out of range")
	}
	if i, ok := value.Int(v); ok {
		return bson.DateTime(i), nil
	}
	return bson.DateTime(int64(f)), nil
}

// subtract takes numbers from numbers, dates from dates (giving milliseconds) and milliseconds from dates.
func subtract(args bson.A) (any, error) {
	if value.IsNullish(args[0]) || value.IsNullish(args[1]) {
		return nil, nil
	}
	from, fromDate := args[0].(bson.DateTime)
	what, whatDate := args[1].(bson.DateTime)
	switch {
	case fromDate && whatDate:
		return int64(from) - int64(what), nil
	case fromDate:
		args = bson.A{int64(from), args[1]}
	case whatDate:
		return nil, fault.New(fault.TypeMismatch, "can't $subtract a date from a number")
	}
	negative, ok := negate(args[1])
	if !ok {
		return nil, fault.New(fault.TypeMismatch, "$subtract only supports numeric or date types, and no Decimal128")
	}
	result, ok := Plus(args[0], negative)
	if !ok {
		return nil, fault.New(fault.TypeMismatch, "$subtract only supports numeric or date types, and no Decimal128")
	}
	if fromDate {
		return date(result)
	}
	return result, nil
}

func negate(v any) (any, bool) {
	switch x := v.(type) {
	case int32:
		if x == math.MinInt32 {
			return -int64(x), true
		}
		return -x, true
	case int64:
		if x == math.MinInt64 {
			return -float64(x), true
		}
		return -x, true
	case float64:
		return -x, true
	}
	return nil, false
}

// sum adds what is a number and passes over the rest; a lone argument that is an array is added up.
func sum(args bson.A) (any, error) {
	if len(args) == 1 {
		if array, ok := args[0].(bson.A); ok {
			args = array
		}
	}
	var total any = int32(0)
	for _, arg := range args {
		if _, ok := arg.(bson.Decimal128); ok {
			return nil, fault.New(fault.TypeMismatch, "$sum of Decimal128 is not answered by this stand-in")
		}
		if next, ok := Plus(total, arg); ok {
			total = next
		}
	}
	return total, nil
}

// toDate takes milliseconds since 1970, ISO 8601 text, an ObjectId (its time) or a date.
func toDate(args bson.A) (any, error) {
	switch x := args[0].(type) {
	case bson.DateTime:
		return x, nil
	case int64, float64:
		return date(x)
	case bson.ObjectID:
		return bson.NewDateTimeFromTime(x.Timestamp()), nil
	case bson.Timestamp:
		return bson.DateTime(int64(x.T) * 1000), nil
	case string:
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateOnly} {
			if t, err := time.Parse(layout, x); err == nil {
				return bson.NewDateTimeFromTime(t), nil
			}
		}
		return nil, fault.New(241, "Error parsing date string: write it as 2006-01-02T15:04:05Z")
	}
	if value.IsNullish(args[0]) {
		return nil, nil
	}
	return nil, fault.New(241, "Unsupported conversion to date in $toDate")
}

func toLong(args bson.A) (any, error) {
	switch x := args[0].(type) {
	case int32:
		return int64(x), nil
	case int64:
		return x, nil
	case bool:
		if x {
			return int64(1), nil
		}
		return int64(0), nil
	case bson.DateTime:
		return int64(x), nil
	case float64:
		if t := math.Trunc(x); t >= math.MinInt64 && t < math.MaxInt64 {
			return int64(t), nil
		}
	case string:
		if i, err := strconv.ParseInt(x, 10, 64); err == nil {
			return i, nil
		}
		return nil, fault.New(241, "Failed to parse number in $toLong: write a whole number of base 10")
	}
	if value.IsNullish(args[0]) {
		return nil, nil
	}
	return nil, fault.New(241, "Unsupported conversion to long in $toLong, or out of its range")
}

// compileDateToString formats in UTC. Time zones are refused by name: there is no zone database beside the proxy.
func compileDateToString(c compiler, arg any) (evaluator, error) {
	parts, err := c.named("$dateToString", arg, []string{"date"}, []string{"format", "onNull"})
	if err != nil {
		return nil, err
	}
	format, given := parts["format"]
	if !given {
		format = "%Y-%m-%dT%H:%M:%S.%LZ"
	}
	layout, ok := format.(string)
	if !ok {
		return nil, fault.New(18533, "$dateToString requires that 'format' be a string")
	}
	if _, err := formatDate(layout, time.Unix(0, 0)); err != nil {
		return nil, err
	}
	onNull, err := c.compile(parts["onNull"])
	if err != nil {
		return nil, err
	}
	eval, err := c.compile(parts["date"])
	if err != nil {
		return nil, err
	}
	return func(sc *scope) (any, error) {
		v, err := eval(sc)
		if err != nil {
			return nil, err
		}
		if value.IsNullish(v) {
			return onNull(sc)
		}
		if i, ok := v.(int32); ok {
			return nil, fault.New(16006, "can't convert from int to Date: %d", i)
		}
		d, err := toDate(bson.A{v})
		if err != nil {
			return nil, err
		}
		return formatDate(layout, d.(bson.DateTime).Time().UTC())
	}, nil
}

// formatDate knows the specifiers of MongoDB's $dateToString that need no time zone.
func formatDate(format string, t time.Time) (string, error) {
	layouts := map[byte]string{'Y': "2006", 'm': "01", 'd': "02", 'H': "15", 'M': "04", 'S': "05", 'j': "002", 'b': "Jan", 'B': "January"}
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		if i == len(format) {
			return "", fault.New(18535, "Unmatched '%%' at end of format string")
		}
		switch layout, known := layouts[format[i]]; {
		case known:
			b.WriteString(t.Format(layout))
		case format[i] == 'L':
			b.WriteString(t.Format(".000")[1:])
		case format[i] == '%':
			b.WriteByte('%')
		default:
			return "", fault.New(18536, "Invalid format character '%%%c' in format string", format[i])
		}
	}
	return b.String(), nil
}
