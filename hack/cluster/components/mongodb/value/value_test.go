package value

import (
	"math"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// inOrder is MongoDB's order of values across and within types ("Comparison/Sort Order" in its manual): each sorts before
// the next. Values in one row are equal.
func inOrder(t *testing.T) [][]any {
	decimal := func(s string) bson.Decimal128 {
		d, err := bson.ParseDecimal128(s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	return [][]any{
		{bson.MinKey{}},
		{Missing{}, bson.Undefined{}},
		{nil, bson.Null{}},
		{math.NaN(), decimal("NaN")},
		{math.Inf(-1), decimal("-Infinity")},
		{int64(math.MinInt64), float64(math.MinInt64)},
		{-1.5, decimal("-1.5")},
		{int32(0), int64(0), 0.0, math.Copysign(0, -1), decimal("0")},
		{decimal("0.1")}, // the double 0.1 is a little more
		{0.1},
		{int32(7), int64(7), 7.0, decimal("7"), decimal("7.00")},
		{int64(1<<53 + 1), decimal("9007199254740993")}, // no double has this value
		{float64(1<<53 + 2), int64(1<<53 + 2)},
		{int64(math.MaxInt64)},
		{float64(1 << 63)},
		{math.Inf(1), decimal("Infinity")},
		{""},
		{"A", bson.Symbol("A")},
		{"a"},
		{"é"},
		{bson.D{}},
		{bson.D{{Key: "a", Value: nil}}},
		{bson.D{{Key: "a", Value: 1.0}}, bson.D{{Key: "a", Value: int32(1)}}},
		{bson.D{{Key: "a", Value: 1.0}, {Key: "b", Value: 1.0}}},
		{bson.D{{Key: "b", Value: 0.0}}},
		{bson.D{{Key: "a", Value: "text"}}}, // the type of the first value counts before its name
		{bson.A{}},
		{bson.A{int32(1)}, bson.A{1.0}},
		{bson.A{int32(1), nil}},
		{bson.A{int32(2)}},
		{bson.Binary{Data: []byte{9}}},
		{bson.Binary{Data: []byte{1, 1}}},
		{bson.Binary{Subtype: 4, Data: []byte{1, 1}}},
		{bson.ObjectID{1}},
		{bson.ObjectID{2}},
		{false},
		{true},
		{bson.DateTime(-1)},
		{bson.NewDateTimeFromTime(time.Date(2025, 1, 4, 0, 0, 0, 0, time.UTC))},
		{bson.Timestamp{T: 1, I: 9}},
		{bson.Timestamp{T: 2, I: 1}},
		{bson.Regex{Pattern: "a"}},
		{bson.Regex{Pattern: "a", Options: "i"}},
		{bson.JavaScript("x")},
		{bson.MaxKey{}},
	}
}

func TestValuesCompareAcrossTypes(t *testing.T) {
	rows := inOrder(t)
	for i, row := range rows {
		for j, other := range rows {
			for _, a := range row {
				for _, b := range other {
					got := sign(Compare(a, b))
					if want := sign(i - j); got != want {
						t.Errorf("Compare(%T %v, %T %v) = %d, want %d", a, a, b, b, got, want)
					}
					if same := Key(a) == Key(b); same != (i == j) {
						t.Errorf("Key(%T %v) = %q and Key(%T %v) = %q: equal is %v, want %v", a, a, Key(a), b, b, Key(b), same, i == j)
					}
				}
			}
		}
	}
}

func sign(i int) int {
	switch {
	case i < 0:
		return -1
	case i > 0:
		return 1
	}
	return 0
}

func TestWhatCountsAsTrue(t *testing.T) {
	for _, c := range []struct {
		v    any
		want bool
	}{
		{nil, false}, {Missing{}, false}, {bson.Undefined{}, false}, {false, false}, {int32(0), false}, {0.0, false},
		{true, true}, {int64(-1), true}, {0.5, true}, {math.NaN(), true}, {"", true}, {bson.A{}, true}, {bson.D{}, true}, {bson.DateTime(0),
			true},
	} {
		if got := Truthy(c.v); got != c.want {
			t.Errorf("Truthy(%T %v) = %v, want %v", c.v, c.v, got, c.want)
		}
	}
}

func TestAggregationPathsGatherThroughArrays(t *testing.T) {
	doc := bson.D{
		{Key: "a", Value: bson.D{{Key: "b", Value: int32(1)}, {Key: "null", Value: nil}}},
		{Key: "list", Value: bson.A{
			bson.D{{Key: "b", Value: int32(1)}},
			bson.D{{Key: "c", Value: int32(9)}},
			"text",
			bson.A{bson.D{{Key: "b", Value: int32(3)}}},
			bson.D{{Key: "b", Value: bson.A{int32(4)}}},
		}},
	}
	for _, c := range []struct {
		path []string
		want any
	}{
		{nil, doc},
		{[]string{"a", "b"}, int32(1)},
		{[]string{"a", "null"}, nil},
		{[]string{"a", "nothing"}, Missing{}},
		{[]string{"a", "b", "c"}, Missing{}},
		{[]string{"list", "b"}, bson.A{int32(1), bson.A{int32(4)}}},
		{[]string{"list", "0"}, bson.A{}}, // numbers are field names here, not indexes
	} {
		if got := At(doc, c.path); Key(got) != Key(c.want) {
			t.Errorf("At(%v) = %v, want %v", c.path, got, c.want)
		}
	}
}

func TestQueryPathsMeanEachElement(t *testing.T) {
	doc := bson.D{
		{Key: "list", Value: bson.A{bson.D{{Key: "b", Value: int32(1)}}, bson.D{}, "text"}},
		{Key: "plain", Value: bson.A{int32(5), int32(6)}},
		{Key: "empty", Value: bson.A{}},
	}
	for _, c := range []struct {
		path []string
		want bson.A
	}{
		{[]string{"plain"}, bson.A{bson.A{int32(5), int32(6)}, int32(5), int32(6)}},
		{[]string{"plain", "1"}, bson.A{int32(6)}},
		{[]string{"list", "b"}, bson.A{int32(1), Missing{}}},
		{[]string{"list", "0", "b"}, bson.A{int32(1), Missing{}, Missing{}}},
		{[]string{"empty"}, bson.A{bson.A{}}},
		{[]string{"empty", "b"}, bson.A{}},
		{[]string{"nothing", "b"}, bson.A{Missing{}}},
	} {
		got := bson.A{}
		Each(doc, c.path, func(v any, _ bool) bool {
			got = append(got, v)
			return true
		})
		if Key(got) != Key(c.want) {
			t.Errorf("Each(%v) visits %v, want %v", c.path, got, c.want)
		}
	}
}

func TestAVisitCanBeEndedEarly(t *testing.T) {
	visits := 0
	doc := bson.D{{Key: "a", Value: bson.A{int32(1), int32(2), int32(3)}}}
	if Each(doc, []string{"a"}, func(any, bool) bool { visits++; return visits < 2 }) || visits != 2 {
		t.Errorf("%d visits, want it to end with the second and say so", visits)
	}
}
