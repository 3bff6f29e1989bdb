package query

import (
	"errors"
	"testing"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/mjson"
)

const document = `{
	"n": 5, "text": "Chess club", "null": null, "yes": true, "nan": {"$numberDouble": "NaN"},
	"list": [1, 7], "empty": [], "docs": [{"k": "a", "v": 1}, {"k": "b", "v": 9, "deep": [{"x": 1}]}], "doc": {"a": 1, "b": null},
	"msgs": [{"msg": {"send_time": 100, "seq": 1}}, {"msg": null}, {"msg": {"send_time": 300, "seq": 2}}]
}`

// Each row follows the operator's page in MongoDB's manual.
var table = []struct {
	name, filter string
	want         bool
}{
	{"nothing is wanted", `{}`, true},
	{"a value", `{"n": 5.0}`, true},
	{"another type", `{"n": "5"}`, false},
	{"two fields", `{"n": 5, "yes": false}`, false},
	{"a whole document", `{"doc": {"a": 1, "b": null}}`, true},
	{"a document with its fields in another order", `{"doc": {"b": null, "a": 1}}`, false},
	{"a path", `{"doc.a": 1}`, true},
	{"a comment", `{"$comment": "why"}`, true},

	{"null is null", `{"null": null}`, true},
	{"null is missing", `{"nothing": null}`, true},
	{"null is no number", `{"n": null}`, false},
	{"null below a scalar is missing", `{"n.x": null}`, true},
	{"null in one of the documents", `{"docs.deep": null}`, true},
	{"null below an empty array is not", `{"empty.x": null}`, false},

	{"an element of an array", `{"list": 7}`, true},
	{"a whole array", `{"list": [1, 7]}`, true},
	{"an element by index", `{"list.1": 7}`, true},
	{"an element by another index", `{"list.0": 7}`, false},
	{"a field of a document in an array", `{"docs.k": "b"}`, true},
	{"a field of the first document in an array", `{"docs.0.k": "b"}`, false},
	{"arrays in arrays of documents", `{"docs.deep.x": 1}`, true},

	{"$eq", `{"n": {"$eq": 5}}`, true},
	{"$ne", `{"n": {"$ne": 4}}`, true},
	{"$ne looks at all elements", `{"list": {"$ne": 7}}`, false},
	{"$gt", `{"n": {"$gt": 4}}`, true},
	{"$gt stays within its type", `{"text": {"$gt": 4}}`, false},
	{"$gte", `{"n": {"$gte": 5}}`, true},
	{"$gte null is null", `{"null": {"$gte": null}}`, true},
	{"$gt null is nothing", `{"null": {"$gt": null}}`, false},
	{"$lt", `{"n": {"$lt": 5}}`, false},
	{"$lt of no number", `{"nan": {"$lt": 5}}`, false},
	{"$lte of no number is no number", `{"nan": {"$lte": {"$numberDouble": "NaN"}}}`, true},
	{"$lte", `{"n": {"$lte": 5}}`, true},
	{"a span", `{"n": {"$gte": 1, "$lt": 5}}`, false},
	{"a span over different elements", `{"list": {"$gt": 5, "$lt": 2}}`, true},
	{"any message before", `{"msgs.msg.send_time": {"$lte": 100}}`, true},
	{"any message between, by different messages", `{"msgs.msg.send_time": {"$gte": 200, "$lt": 250}}`, true},
	{"no message after", `{"msgs.msg.send_time": {"$gt": 300}}`, false},

	{"$in", `{"n": {"$in": [1, 5]}}`, true},
	{"$in of nothing", `{"n": {"$in": []}}`, false},
	{"$in with an element", `{"list": {"$in": [7, 8]}}`, true},
	{"$in with null finds what is missing", `{"nothing": {"$in": [null]}}`, true},
	{"$in with a regular expression", `{"text": {"$in": [{"$regularExpression": {"pattern": "^Ch", "options": ""}}]}}`, true},
	{"$nin", `{"list": {"$nin": [7, 8]}}`, false},
	{"$exists", `{"null": {"$exists": true}, "nothing": {"$exists": false}}`, true},
	{"$exists of an element's field", `{"docs.deep": {"$exists": true}}`, true},
	{"$size", `{"list": {"$size": 2}}`, true},
	{"$size of no array", `{"n": {"$size": 1}}`, false},

	{"$regex", `{"text": {"$regex": "club$"}}`, true},
	{"$regex minds case", `{"text": {"$regex": "^chess"}}`, false},
	{"$regex with options", `{"text": {"$regex": "^chess", "$options": "i"}}`, true},
	{"a regular expression as value", `{"text": {"$regularExpression": {"pattern": "^CHESS", "options": "i"}}}`, true},
	{"a regular expression and a number", `{"n": {"$regularExpression": {"pattern": "5", "options": ""}}}`, false},

	{"$not", `{"n": {"$not": {"$gt": 7}}}`, true},
	{"$not finds what is missing", `{"nothing": {"$not": {"$gt": 7}}}`, true},
	{"$not of a regular expression", `{"text": {"$not": {"$regularExpression": {"pattern": "^Ch", "options": ""}}}}`, false},
	{"$elemMatch on one document", `{"docs": {"$elemMatch": {"k": "b", "v": {"$gt": 5}}}}`, true},
	{"$elemMatch is not met by two documents together", `{"docs": {"$elemMatch": {"k": "a", "v": {"$gt": 5}}}}`, false},
	{"$elemMatch on values", `{"list": {"$elemMatch": {"$gt": 5, "$lt": 8}}}`, true},
	{"$elemMatch on values that meet it only together", `{"list": {"$elemMatch": {"$gt": 2, "$lt": 5}}}`, false},
	{"$elemMatch on no array", `{"n": {"$elemMatch": {"$gt": 1}}}`, false},
	{"$elemMatch with alternatives", `{"docs": {"$elemMatch": {"$or": [{"k": "z"}, {"v": 9}]}}}`, true},
	{"no message after a time, as OpenIM asks", `{"msgs": {"$not": {"$elemMatch": {"msg.send_time": {"$gt": 300}}}}}`, true},

	{"$and", `{"$and": [{"n": 5}, {"yes": true}]}`, true},
	{"$or", `{"$or": [{"n": 1}, {"yes": true}]}`, true},
	{"$or of nothing that holds", `{"$or": [{"n": 1}, {"yes": false}]}`, false},
	{"$nor", `{"$nor": [{"n": 1}, {"yes": false}]}`, true},
	{"$expr", `{"$expr": {"$gt": ["$n", {"$size": "$list"}]}}`, true},
	{"$expr beside others", `{"n": 5, "$expr": {"$eq": ["$n", 6]}}`, false},
}

func TestFilters(t *testing.T) {
	doc := mjson.Document(t, document)
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) {
			f, err := Compile(mjson.Document(t, c.filter))
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Matches(doc)
			if err != nil || got != c.want {
				t.Errorf("%s matches: %v (%v), want %v", c.filter, got, err, c.want)
			}
		})
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for _, c := range []struct {
		name, filter string
		code         int32
	}{
		{"unknown operator", `{"n": {"$nonsense": 1}}`, fault.BadValue},
		{"unknown operator at the top", `{"$nonsense": []}`, fault.BadValue},
		{"$where runs scripts", `{"$where": "true"}`, fault.BadValue},
		{"$and of nothing", `{"$and": []}`, fault.BadValue},
		{"$or of no documents", `{"$or": [1]}`, fault.BadValue},
		{"$in without an array", `{"n": {"$in": 5}}`, fault.BadValue},
		{"$not of a value", `{"n": {"$not": 5}}`, fault.BadValue},
		{"$elemMatch of a value", `{"n": {"$elemMatch": 5}}`, fault.BadValue},
		{"$size below zero", `{"n": {"$size": -1}}`, fault.BadValue},
		{"$options alone", `{"n": {"$options": "i"}}`, fault.BadValue},
		{"$regex of a number", `{"n": {"$regex": 5}}`, fault.BadValue},
		{"option that is not known", `{"n": {"$regex": "a", "$options": "x"}}`, fault.BadValue},
		{"look-ahead", `{"n": {"$regex": "a(?!b)"}}`, 51091},
		{"unknown expression", `{"$expr": {"$nonsense": 1}}`, fault.UnknownOperator},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Compile(mjson.Document(t, c.filter))
			var refusal *fault.Error
			if !errors.As(err, &refusal) || refusal.Code != c.code {
				t.Errorf("error = %+v, want one with code %d", err, c.code)
			}
		})
	}
}

func TestAnExpressionThatFailsIsNoMatchButAnError(t *testing.T) {
	f, err := Compile(mjson.Document(t, `{"$expr": {"$size": "$n"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := f.Matches(mjson.Document(t, document)); ok || err == nil {
		t.Errorf("matches = %v, %v; want an error", ok, err)
	}
}
