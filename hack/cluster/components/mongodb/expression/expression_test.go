package expression

import (
	"errors"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/mjson"
)

// document is what the expressions below are evaluated over.
const document = `{
	"n": 5, "long": {"$numberLong": "5000000000"}, "double": 2.5, "zero": 0, "null": null, "text": "abc", "yes": true,
	"list": [3, 1, 2], "empty": [], "docs": [{"k": "a", "v": 1}, {"k": "b", "v": 2}, {"v": 3}],
	"doc": {"a": 1, "b": {"c": 2}}, "when": {"$date": "2025-01-04T23:59:58.007Z"}, "id": {"$oid": "6777bd800000000000000000"}
}`

// Each row follows the operator's page in MongoDB's manual.
var table = []struct{ name, expr, want string }{
	{"a literal is itself", `7`, `7`},
	{"a text without $ is itself", `"n"`, `"n"`},
	{"a path", `"$doc.b.c"`, `2`},
	{"a path through an array gathers", `"$docs.k"`, `["a", "b"]`},
	{"a path to nothing", `"$nothing.at.all"`, `MISSING`},
	{"the document itself", `"$$ROOT.n"`, `5`},
	{"$$REMOVE is no value", `"$$REMOVE"`, `MISSING`},
	{"an array holds null for what is missing", `["$n", "$nothing"]`, `[5, null]`},
	{"a document leaves out what is missing", `{"a": "$n", "b": "$nothing", "c": {"d": "$text"}}`, `{"a": 5, "c": {"d": "abc"}}`},
	{"$literal is not evaluated", `{"$literal": {"$add": ["$n", 1]}}`, `{"$add": ["$n", 1]}`},

	{"$eq across numeric types", `{"$eq": ["$n", 5.0]}`, `true`},
	{"$eq of missing and null is false", `{"$eq": ["$nothing", null]}`, `false`},
	{"$ne", `{"$ne": ["$n", "5"]}`, `true`},
	{"$gt", `{"$gt": ["$long", "$n"]}`, `true`},
	{"$gt across types goes by type", `{"$gt": ["$text", 1000]}`, `true`},
	{"$gte of equals", `{"$gte": [5, "$n"]}`, `true`},
	{"$lt: missing sorts before null", `{"$lt": ["$nothing", null]}`, `true`},
	{"$lte", `{"$lte": ["$double", 2]}`, `false`},
	{"$cmp", `[{"$cmp": [1, 2]}, {"$cmp": [2, 2]}, {"$cmp": [3, 2]}]`, `[-1, 0, 1]`},

	{"$and of nothing", `{"$and": []}`, `true`},
	{"$and", `{"$and": ["$yes", "$n", ""]}`, `true`},
	{"$and stops at the first false", `{"$and": [false, {"$size": "$n"}]}`, `false`},
	{"$or of nothing", `{"$or": []}`, `false`},
	{"$or", `{"$or": ["$zero", "$null", "$nothing", "$yes"]}`, `true`},
	{"$or stops at the first true", `{"$or": [true, {"$size": "$n"}]}`, `true`},
	{"$not of one argument in an array", `{"$not": ["$zero"]}`, `true`},
	{"$not of one argument alone", `{"$not": {"$in": [3, "$list"]}}`, `false`},
	{"$cond by names", `{"$cond": {"if": {"$gt": ["$n", 3]}, "then": "more", "else": "less"}}`, `"more"`},
	{"$cond by position", `{"$cond": ["$null", "yes", "no"]}`, `"no"`},
	{"$cond looks at one branch only", `{"$cond": [true, 1, {"$size": "$n"}]}`, `1`},
	{"$ifNull", `{"$ifNull": ["$nothing", "$null", "$text"]}`, `"abc"`},
	{"$ifNull keeps what is there", `{"$ifNull": ["$zero", 9]}`, `0`},
	{"$ifNull with nothing left", `{"$ifNull": ["$null", "$nothing"]}`, `MISSING`},

	{"$map", `{"$map": {"input": "$list", "as": "x", "in": {"$add": ["$$x", "$n"]}}}`, `[8, 6, 7]`},
	{"$map calls its element this", `{"$map": {"input": "$docs", "in": "$$this.k"}}`, `["a", "b", null]`},
	{"$map of null", `{"$map": {"input": "$null", "in": 1}}`, `null`},
	{
		"$map picks by index, as OpenIM reads messages",
		`{"$map": {"input": [0, 2, 7], "as": "i", "in": {"$arrayElemAt": ["$list", "$$i"]}}}`,
		`[3, 2, null]`,
	},
	{
		"$map within $map sees both",
		`{"$map": {"input": [1, 2], "as": "a", "in": {"$map": {"input": [10, 20], "as": "b", "in": {"$add": ["$$a", "$$b"]}}}}}`,
		`[[11, 21], [12, 22]]`,
	},
	{"$filter", `{"$filter": {"input": "$docs", "as": "d", "cond": {"$gt": ["$$d.v", 1]}}}`, `[{"k": "b", "v": 2}, {"v": 3}]`},
	{"$filter with a limit", `{"$filter": {"input": "$list", "cond": true, "limit": 2}}`, `[3, 1]`},
	{"$filter of nothing", `{"$filter": {"input": "$nothing", "cond": true}}`, `null`},
	{"$arrayElemAt", `{"$arrayElemAt": ["$list", 0]}`, `3`},
	{"$arrayElemAt from the end", `{"$arrayElemAt": ["$list", -1]}`, `2`},
	{"$arrayElemAt with a long", `{"$arrayElemAt": ["$list", {"$numberLong": "1"}]}`, `1`},
	{"$arrayElemAt out of bounds", `{"$arrayElemAt": ["$list", 3]}`, `MISSING`},
	{"$arrayElemAt of null", `{"$arrayElemAt": ["$null", 0]}`, `null`},
	{"$concatArrays", `{"$concatArrays": ["$list", [{"$size": "$list"}], []]}`, `[3, 1, 2, 3]`},
	{"$concatArrays with null", `{"$concatArrays": ["$list", "$nothing"]}`, `null`},
	{"$size", `{"$size": "$list"}`, `3`},
	{"$in compares values", `{"$in": [2.0, "$list"]}`, `true`},
	{"$in of an empty array", `{"$in": [1, "$empty"]}`, `false`},
	{"$indexOfArray", `{"$indexOfArray": ["$list", 2]}`, `2`},
	{"$indexOfArray finds documents", `{"$indexOfArray": ["$docs", {"v": 3}]}`, `2`},
	{"$indexOfArray between bounds", `{"$indexOfArray": ["$list", 3, 1, 3]}`, `-1`},
	{"$indexOfArray of null", `{"$indexOfArray": ["$null", 1]}`, `null`},
	{"$isArray", `[{"$isArray": ["$list"]}, {"$isArray": "$n"}]`, `[true, false]`},
	{"$slice from the start", `{"$slice": ["$list", 2]}`, `[3, 1]`},
	{"$slice from the end", `{"$slice": ["$list", -2]}`, `[1, 2]`},
	{"$slice at a position", `{"$slice": ["$list", 1, 5]}`, `[1, 2]`},
	{"$slice at a position from the end", `{"$slice": ["$list", -9, 1]}`, `[3]`},
	{"$slice beyond the end", `{"$slice": ["$list", 9, 1]}`, `[]`},
	{"$slice of null", `{"$slice": ["$null", 1]}`, `null`},

	{"$mergeObjects: later fields win", `{"$mergeObjects": ["$doc", {"a": 9, "z": 0}, "$null"]}`, `{"a": 9, "b": {"c": 2}, "z": 0}`},
	{"$objectToArray", `{"$objectToArray": {"x": "$n"}}`, `[{"k": "x", "v": 5}]`},
	{"$objectToArray of nothing", `{"$objectToArray": "$nothing"}`, `null`},

	{"$add of ints stays an int", `{"$add": ["$n", 1]}`, `6`},
	{"$add outgrows 32 bits", `{"$add": [2147483647, 1]}`, `{"$numberLong": "2147483648"}`},
	{"$add outgrows 64 bits", `{"$add": [{"$numberLong": "9223372036854775807"}, 1]}`, `9223372036854775808.0`},
	{"$add of a long stays a long", `{"$add": [{"$numberLong": "1"}, 1]}`, `{"$numberLong": "2"}`},
	{"$add of a double", `{"$add": ["$n", "$double"]}`, `7.5`},
	{"$add of a date", `{"$add": ["$when", 3000]}`, `{"$date": "2025-01-05T00:00:01.007Z"}`},
	{"$add with null", `{"$add": ["$n", "$null"]}`, `null`},
	{"$subtract", `{"$subtract": ["$n", 7]}`, `-2`},
	{"$subtract of dates", `{"$subtract": ["$when", "$when"]}`, `{"$numberLong": "0"}`},
	{"$subtract from a date", `{"$subtract": ["$when", 7]}`, `{"$date": "2025-01-04T23:59:58Z"}`},
	{"$sum of an array", `{"$sum": "$list"}`, `6`},
	{"$sum passes over what is no number", `{"$sum": ["$n", "$text", "$nothing", 1.5]}`, `6.5`},
	{"$sum through documents", `{"$sum": "$docs.v"}`, `6`},
	{"$toLong of a date", `{"$toLong": "$when"}`, `{"$numberLong": "1736035198007"}`},
	{
		"$toLong of texts and doubles",
		`[{"$toLong": "42"}, {"$toLong": -2.9}, {"$toLong": true}]`,
		`[{"$numberLong": "42"}, {"$numberLong": "-2"}, {"$numberLong": "1"}]`,
	},
	{"$toLong of null", `{"$toLong": "$null"}`, `null`},
	{"$toDate of milliseconds", `{"$toDate": {"$numberLong": "1736035198007"}}`, `{"$date": "2025-01-04T23:59:58.007Z"}`},
	{"$toDate of a text", `{"$toDate": "2025-01-04"}`, `{"$date": "2025-01-04T00:00:00Z"}`},
	{"$toDate of an ObjectId is its time", `{"$toDate": "$id"}`, `{"$date": "2025-01-03T10:35:44Z"}`},
	{"$dateToString", `{"$dateToString": {"format": "%Y-%m-%d", "date": "$when"}}`, `"2025-01-04"`},
	{
		"$dateToString in full",
		`{"$dateToString": {"format": "%d.%m.%Y %H:%M:%S.%L %j %%", "date": "$when"}}`,
		`"04.01.2025 23:59:58.007 004 %"`,
	},
	{"$dateToString without a format", `{"$dateToString": {"date": "$when"}}`, `"2025-01-04T23:59:58.007Z"`},
	{"$dateToString of null", `{"$dateToString": {"date": "$null", "onNull": "never"}}`, `"never"`},
}

func TestExpressions(t *testing.T) {
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			doc := mjson.Document(t, document)
			before := mjson.Text(t, doc)
			e, err := Compile(mjson.Value(t, c.expr))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // an expression keeps nothing between documents
				got, err := e.Eval(doc)
				if err != nil {
					t.Fatal(err)
				}
				if want := mjson.Text(t, mjson.Value(t, c.want)); mjson.Text(t, got) != want {
					t.Errorf("got %s, want %s", mjson.Text(t, got), want)
				}
			}
			if after := mjson.Text(t, doc); after != before {
				t.Errorf("the document was changed to %s", after)
			}
		})
	}
}

// Codes are MongoDB's own.
func TestWhatIsWrongIsSaid(t *testing.T) {
	for _, c := range []struct {
		name, expr string
		code       int32
	}{
		{"unknown operator", `{"$nonsense": 1}`, fault.UnknownOperator},
		{"two operators in one document", `{"$add": [1], "$size": []}`, 15983},
		{"operator beside a field", `{"a": 1, "$size": []}`, 15983},
		{"unknown variable", `"$$nobody"`, 17276},
		{"variable out of its scope", `{"$add": [{"$map": {"input": [], "as": "x", "in": "$$x"}}, "$$x"]}`, 17276},
		{"empty field name", `"$a..b"`, 15998},
		{"too few arguments", `{"$eq": [1]}`, 16020},
		{"too many arguments", `{"$slice": [1, 2, 3, 4]}`, 28667},
		{"unknown part of $filter", `{"$filter": {"input": [], "cond": true, "sort": 1}}`, fault.FailedToParse},
		{"missing part of $map", `{"$map": {"input": []}}`, fault.FailedToParse},
		{"$size of a number", `{"$size": "$n"}`, 17124},
		{"$in without an array", `{"$in": [1, "$n"]}`, 40081},
		{"$concatArrays of a number", `{"$concatArrays": ["$n"]}`, 28664},
		{"$arrayElemAt of a text", `{"$arrayElemAt": ["$text", 0]}`, 28689},
		{"$arrayElemAt at a fraction", `{"$arrayElemAt": ["$list", 0.5]}`, 28690},
		{"$slice of minus one", `{"$slice": ["$list", 0, -1]}`, 28729},
		{"$map over a number", `{"$map": {"input": "$n", "in": 1}}`, 16883},
		{"$mergeObjects of a number", `{"$mergeObjects": ["$n"]}`, 40400},
		{"$objectToArray of a number", `{"$objectToArray": "$n"}`, 40390},
		{"$add of a text", `{"$add": ["$text", 1]}`, fault.TypeMismatch},
		{"$add of two dates", `{"$add": ["$when", "$when"]}`, 16612},
		{"$toLong of a word", `{"$toLong": "$text"}`, 241},
		{"$toDate of an int", `{"$toDate": "$n"}`, 241},
		{"$dateToString with a time zone", `{"$dateToString": {"date": "$when", "timezone": "Asia/Tokyo"}}`, fault.FailedToParse},
		{"$dateToString with a wrong specifier", `{"$dateToString": {"date": "$when", "format": "%Q"}}`, 18536},
	} {
		t.Run(c.name, func(t *testing.T) {
			e, err := Compile(mjson.Value(t, c.expr))
			if err == nil {
				_, err = e.Eval(mjson.Document(t, document))
			}
			var refusal *fault.Error
			if !errors.As(err, &refusal) || refusal.Code != c.code || refusal.Message == "" {
				t.Errorf("error = %+v, want one with code %d", err, c.code)
			}
		})
	}
}

func TestEveryOperatorIsInTheTable(t *testing.T) {
	tested := map[string]bool{}
	var walk func(v any)
	walk = func(v any) {
		switch x := v.(type) {
		case bson.D:
			for _, e := range x {
				tested[e.Key] = true
				walk(e.Value)
			}
		case bson.A:
			for _, e := range x {
				walk(e)
			}
		}
	}
	for _, c := range table {
		walk(mjson.Value(t, c.expr))
	}
	for _, name := range Operators() {
		if !tested[name] {
			t.Errorf("%s has no row", name)
		}
	}
	if !slices.IsSorted(Operators()) {
		t.Error("operators are not listed in order")
	}
}

func TestResultsShareNothingThatGrows(t *testing.T) {
	doc := mjson.Document(t, `{"list": [1, 2, 3, 4]}`)
	slice, err := Compile(mjson.Value(t, `{"$concatArrays": [{"$slice": ["$list", 2]}, [9]]}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := slice.Eval(doc); err != nil {
		t.Fatal(err)
	}
	if got := mjson.Text(t, doc); got != mjson.Text(t, mjson.Document(t, `{"list": [1, 2, 3, 4]}`)) {
		t.Errorf("appending to a slice wrote into the document: %s", got)
	}
}
