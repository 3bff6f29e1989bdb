package pipeline

import (
	"errors"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/mjson"
)

// Each row follows the stage's page in MongoDB's manual.
var table = []struct{ name, pipeline, in, want string }{
	{"no stage", `[]`, `[{"_id": 1}]`, `[{"_id": 1}]`},
	{"$match", `[{"$match": {"a": {"$gt": 1}}}]`, `[{"a": 1}, {"a": 2}]`, `[{"a": 2}]`},
	{"$limit and $skip", `[{"$skip": 1}, {"$limit": 2}]`, `[{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4}]`, `[{"a": 2}, {"a": 3}]`},
	{"$limit of more than there is", `[{"$limit": {"$numberLong": "9"}}]`, `[{"a": 1}]`, `[{"a": 1}]`},
	{"$count", `[{"$count": "n"}]`, `[{}, {}]`, `[{"n": 2}]`},
	{"$count of nothing", `[{"$count": "n"}]`, `[]`, `[]`},

	{
		"$sort",
		`[{"$sort": {"a": 1}}]`,
		`[{"a": 3}, {"a": "x"}, {"a": 1.5}, {}, {"a": null}]`,
		`[{}, {"a": null}, {"a": 1.5}, {"a": 3}, {"a": "x"}]`,
	},
	{
		"$sort keeps the order of equals",
		`[{"$sort": {"a": -1}}]`,
		`[{"a": 1, "i": 1}, {"a": 2}, {"a": 1, "i": 2}]`,
		`[{"a": 2}, {"a": 1, "i": 1}, {"a": 1, "i": 2}]`,
	},
	{
		"$sort by two keys",
		`[{"$sort": {"a": 1, "b": -1}}]`,
		`[{"a": 1, "b": 1}, {"a": 0, "b": 0}, {"a": 1, "b": 2}]`,
		`[{"a": 0, "b": 0}, {"a": 1, "b": 2}, {"a": 1, "b": 1}]`,
	},
	{
		"$sort up goes by an array's least",
		`[{"$sort": {"a": 1}}]`,
		`[{"a": [3, 9]}, {"a": [8, 2]}, {"a": []}, {"a": null}]`,
		`[{"a": []}, {"a": null}, {"a": [8, 2]}, {"a": [3, 9]}]`,
	},
	{"$sort down goes by an array's greatest", `[{"$sort": {"a": -1}}]`, `[{"a": [8, 2]}, {"a": [3, 9]}]`, `[{"a": [3, 9]}, {"a": [8, 2]}]`},

	{"$project keeps", `[{"$project": {"b": 1, "a": true}}]`, `[{"_id": 7, "a": 1, "b": 2, "c": 3}]`, `[{"_id": 7, "a": 1, "b": 2}]`},
	{"$project keeps without _id", `[{"$project": {"_id": 0, "a": 1}}]`, `[{"_id": 7, "a": 1, "c": 3}]`, `[{"a": 1}]`},
	{"$project of a document without _id", `[{"$project": {"a": 1}}]`, `[{"a": 1, "b": 2}]`, `[{"a": 1}]`},
	{"$project leaves out", `[{"$project": {"a": 0}}]`, `[{"_id": 7, "a": 1, "b": 2}]`, `[{"_id": 7, "b": 2}]`},
	{"$project leaves out _id alone", `[{"$project": {"_id": 0}}]`, `[{"_id": 7, "a": 1}]`, `[{"a": 1}]`},
	{
		"$project leaves out below, through arrays",
		`[{"$project": {"l.x": 0, "d.y.z": 0}}]`,
		`[{"l": [{"x": 1, "y": 2}, 5], "d": {"y": {"z": 1}}}]`,
		`[{"l": [{"y": 2}, 5], "d": {"y": {}}}]`,
	},
	{
		"$project keeps below, through arrays",
		`[{"$project": {"_id": 0, "msgs.msg.seq": 1}}]`,
		`[{"_id": 1, "msgs": [{"msg": {"seq": 4, "text": "x"}}, {"msg": null}, 5, {}]}]`,
		`[{"msgs": [{"msg": {"seq": 4}}, {}, {}]}]`,
	},
	{
		"$project by nested documents",
		`[{"$project": {"d": {"x": 1, "y": {"z": 1}}}}]`,
		`[{"d": {"x": 1, "y": {"z": 2, "w": 3}, "v": 4}}]`,
		`[{"d": {"x": 1, "y": {"z": 2}}}]`,
	},
	{
		"$project calculates",
		`[{"$project": {"_id": 0, "n": {"$size": "$l"}, "first": {"$arrayElemAt": ["$l", 0]}, "name": "$nothing"}}]`,
		`[{"_id": 1, "l": [4, 5]}]`,
		`[{"n": 2, "first": 4}]`,
	},
	{
		"$project renames, even _id away",
		`[{"$project": {"_id": 0, "conversation_id": "$_id"}}]`,
		`[{"_id": "si_a_b"}]`,
		`[{"conversation_id": "si_a_b"}]`,
	},
	{
		"$project calculates below",
		`[{"$project": {"_id": 0, "d.n": {"$add": ["$d.a", 1]}, "d.a": 1}}]`,
		`[{"d": {"a": 1, "b": 2}}]`,
		`[{"d": {"a": 1, "n": 2}}]`,
	},

	{"$addFields", `[{"$addFields": {"b": {"$add": ["$a", 1]}, "c": 0}}]`, `[{"_id": 1, "a": 1}]`, `[{"_id": 1, "a": 1, "b": 2, "c": 0}]`},
	{"$set replaces in place", `[{"$set": {"a": "$$ROOT"}}]`, `[{"a": 1, "b": 2}]`, `[{"a": {"a": 1, "b": 2}, "b": 2}]`},
	{"$set sees the document as it was", `[{"$set": {"a": "$b", "b": "$a"}}]`, `[{"a": 1, "b": 2}]`, `[{"a": 2, "b": 1}]`},
	{
		"$addFields below, making the way",
		`[{"$addFields": {"d.x": 1, "e": {"f": {"g": 2}}}}]`,
		`[{"d": {"y": 0}, "e": 5}]`,
		`[{"d": {"y": 0, "x": 1}, "e": {"f": {"g": 2}}}]`,
	},
	{
		"$addFields in each document of an array",
		`[{"$addFields": {"l.x": 1}}]`,
		`[{"l": [{"y": 0}, 5]}]`,
		`[{"l": [{"y": 0, "x": 1}, {"x": 1}]}]`,
	},
	{
		"$set of what is missing takes the field away",
		`[{"$set": {"a": "$nothing", "b": "$$REMOVE"}}]`,
		`[{"a": 1, "b": 1, "c": 1}]`,
		`[{"c": 1}]`,
	},
	{"$unset of one", `[{"$unset": "a"}]`, `[{"_id": 1, "a": 1, "b": 1}]`, `[{"_id": 1, "b": 1}]`},
	{"$unset of several", `[{"$unset": ["a", "d.x"]}]`, `[{"a": 1, "d": {"x": 1, "y": 1}}]`, `[{"d": {"y": 1}}]`},
	{
		"$replaceRoot",
		`[{"$replaceRoot": {"newRoot": {"$mergeObjects": ["$d", {"b": "$b"}]}}}]`,
		`[{"d": {"a": 1}, "b": 2}]`,
		`[{"a": 1, "b": 2}]`,
	},
	{"$replaceWith", `[{"$replaceWith": "$d"}]`, `[{"d": {"a": 1}}]`, `[{"a": 1}]`},

	{
		"$unwind",
		`[{"$unwind": "$l"}]`,
		`[{"_id": 1, "l": [4, 5]}, {"_id": 2, "l": []}, {"_id": 3}, {"_id": 4, "l": null}, {"_id": 5, "l": 6}]`,
		`[{"_id": 1, "l": 4}, {"_id": 1, "l": 5}, {"_id": 5, "l": 6}]`,
	},
	{
		"$unwind keeping the empty, with an index",
		`[{"$unwind": {"path": "$d.l", "preserveNullAndEmptyArrays": true, "includeArrayIndex": "i"}}]`,
		`[{"d": {"l": ["x"]}}, {"d": {"l": []}}, {"d": {"l": null}}, {"d": 1}]`,
		`[{"d": {"l": "x"}, "i": {"$numberLong": "0"}}, {"d": {}, "i": null}, {"d": {"l": null}, "i": null}, {"d": 1, "i": null}]`,
	},

	{"$group", `[{"$group": {"_id": "$k", "n": {"$sum": 1}, "all": {"$push": "$v"}}}]`,
		`[{"k": "a", "v": 1}, {"k": "b", "v": 2}, {"k": "a"}, {"v": 4}]`,
		`[{"_id": "a", "n": 2, "all": [1]}, {"_id": "b", "n": 1, "all": [2]}, {"_id": null, "n": 1, "all": [4]}]`},
	{
		"$group holds equal numbers for one",
		`[{"$group": {"_id": "$k", "n": {"$count": {}}}}]`,
		`[{"k": 1}, {"k": 1.0}, {"k": {"$numberLong": "1"}}]`,
		`[{"_id": 1, "n": 3}]`,
	},
	{
		"$group of everything",
		`[{"$group": {"_id": null, "sum": {"$sum": "$v"}, "avg": {"$avg": "$v"}, "min": {"$min": "$v"}, "max": {"$max": "$v"}, "first": {"$first": "$v"}, "last": {"$last": "$v"}, "set": {"$addToSet": "$v"}}}]`,
		`[{"v": 2}, {"v": 4}, {}, {"v": 2.0}]`,
		`[{"_id": null, "sum": 8.0, "avg": 2.6666666666666665, "min": 2, "max": 4, "first": 2, "last": 2.0, "set": [2, 4]}]`,
	},
	{
		"$group of no values",
		`[{"$group": {"_id": 1, "avg": {"$avg": "$v"}, "max": {"$max": "$v"}, "first": {"$first": "$v"}}}]`,
		`[{}]`,
		`[{"_id": 1, "avg": null, "max": null, "first": null}]`,
	},
	{
		"$group by a document",
		`[{"$group": {"_id": {"day": {"$dateToString": {"format": "%d", "date": "$at"}}}, "n": {"$sum": 1}}}]`,
		`[{"at": {"$date": "2025-01-04T00:00:00Z"}}]`,
		`[{"_id": {"day": "04"}, "n": 1}]`,
	},
	{"$group of no documents", `[{"$group": {"_id": null, "n": {"$sum": 1}}}]`, `[]`, `[]`},
	{
		"counting as drivers do",
		`[{"$match": {"a": 1}}, {"$group": {"_id": 1, "n": {"$sum": 1}}}]`,
		`[{"a": 1}, {"a": 2}, {"a": 1}]`,
		`[{"_id": 1, "n": 2}]`,
	},
}

func TestPipelines(t *testing.T) {
	for _, c := range table {
		t.Run(c.name, func(t *testing.T) { expect(t, c.pipeline, c.in, c.want) })
	}
}

// expect runs a pipeline twice, and sees to it that the documents that go in stay as they are.
func expect(t *testing.T, stages, in, want string) {
	t.Helper()
	p, err := Compile(mjson.Array(t, stages))
	if err != nil {
		t.Fatal(err)
	}
	docs := mjson.Documents(t, in)
	for range 2 {
		got, err := collect(p.Run(Of(docs...)))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := mjson.Text(t, got), mjson.Text(t, mjson.Array(t, want)); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	var after bson.A
	for _, doc := range docs {
		after = append(after, doc)
	}
	if len(docs) > 0 && mjson.Text(t, after) != mjson.Text(t, mjson.Array(t, in)) {
		t.Errorf("the documents that went in were changed to %s", mjson.Text(t, after))
	}
}

func collect(docs Documents) (bson.A, error) {
	all := bson.A{}
	for doc, err := range docs {
		if err != nil {
			return nil, err
		}
		all = append(all, doc)
	}
	return all, nil
}

func TestSampleTakesAtRandomWithoutRepeating(t *testing.T) {
	p, err := Compile(mjson.Array(t, `[{"$sample": {"size": 3}}]`))
	if err != nil {
		t.Fatal(err)
	}
	var docs []bson.D
	for i := range 6 {
		docs = append(docs, bson.D{{Key: "_id", Value: int32(i)}})
	}
	taken := map[any]bool{}
	for range 200 { // 200 samples that all leave one of six out: less likely than 1 in 10^59
		got, err := collect(p.Run(Of(docs...)))
		if err != nil {
			t.Fatal(err)
		}
		once := map[any]bool{}
		for _, doc := range got {
			once[doc.(bson.D)[0].Value] = true
			taken[doc.(bson.D)[0].Value] = true
		}
		if len(once) != 3 {
			t.Fatalf("a sample of 3 has %d different documents: %v", len(once), got)
		}
	}
	if len(taken) != 6 {
		t.Errorf("200 samples never took some of the documents: %v", taken)
	}
	if got, _ := collect(p.Run(Of(docs[:2]...))); len(got) != 2 {
		t.Errorf("a sample of 3 out of 2 has %d documents, want both", len(got))
	}
}

func TestNothingIsReadBeyondTheLimit(t *testing.T) {
	p, err := Compile(mjson.Array(t, `[{"$match": {"a": 1}}, {"$limit": 2}]`))
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	endless := func(yield func(bson.D, error) bool) {
		for read++; yield(bson.D{{Key: "a", Value: int32(1)}}, nil); read++ {
		}
	}
	if got, err := collect(p.Run(endless)); err != nil || len(got) != 2 || read != 2 {
		t.Errorf("%d documents (%v) after reading %d, want 2 and 2", len(got), err, read)
	}
}

func TestErrorsOfTheSourceComeThroughEveryStage(t *testing.T) {
	broken := errors.New("the connection broke")
	for name, spec := range map[string]string{
		"$match": `{}`, "$limit": `5`, "$skip": `0`, "$count": `"n"`, "$sort": `{"a": 1}`, "$project": `{"a": 1}`, "$addFields": `{"a": 1}`,
		"$group": `{"_id": null}`, "$unwind": `"$a"`, "$sample": `{"size": 1}`, "$unset": `"a"`, "$replaceWith": `{}`,
	} {
		p, err := Compile(mjson.Array(t, fmt.Sprintf(`[{%q: %s}]`, name, spec)))
		if err != nil {
			t.Fatal(err)
		}
		_, err = collect(p.Run(func(yield func(bson.D, error) bool) {
			if yield(bson.D{}, nil) {
				yield(nil, broken)
			}
		}))
		if !errors.Is(err, broken) {
			t.Errorf("%s: error = %v, want the source's", name, err)
		}
	}
}

func TestWhatIsHeldInMemoryIsBounded(t *testing.T) {
	p, err := Compile(mjson.Array(t, `[{"$sort": {"a": 1}}]`))
	if err != nil {
		t.Fatal(err)
	}
	doc := bson.D{{Key: "a", Value: int32(1)}}
	_, err = collect(p.Run(func(yield func(bson.D, error) bool) {
		for range MaxHeld + 1 {
			if !yield(doc, nil) {
				return
			}
		}
	}))
	var refusal *fault.Error
	if !errors.As(err, &refusal) || refusal.Code != fault.ExceededMemoryLimit {
		t.Errorf("error = %v, want ExceededMemoryLimit", err)
	}
}

// Codes are MongoDB's own.
func TestWhatIsWrongIsSaid(t *testing.T) {
	for _, c := range []struct {
		name, pipeline string
		code           int32
	}{
		{"unknown stage", `[{"$lookup": {}}]`, 40324},
		{"two stages in one", `[{"$limit": 1, "$skip": 1}]`, 40323},
		{"no document", `["$limit"]`, fault.TypeMismatch},
		{"$limit of zero", `[{"$limit": 0}]`, 15957},
		{"$skip of a fraction", `[{"$skip": 0.5}]`, 15957},
		{"$sort by a word", `[{"$sort": {"a": "up"}}]`, 15975},
		{"$sort by nothing", `[{"$sort": {}}]`, 15976},
		{"$sample of zero", `[{"$sample": {"size": 0}}]`, 28747},
		{"$project of nothing", `[{"$project": {}}]`, 51272},
		{"$project both ways", `[{"$project": {"a": 1, "b": 0}}]`, 31254},
		{"$project of one path twice", `[{"$project": {"a": 1, "a.b": 1}}]`, 31250},
		{"$addFields of nothing", `[{"$addFields": {}}]`, 40272},
		{"$unset of a number", `[{"$unset": 1}]`, 31002},
		{"$unwind without $", `[{"$unwind": "a"}]`, 28818},
		{"$unwind with an unknown option", `[{"$unwind": {"path": "$a", "x": 1}}]`, 28811},
		{"$group without _id", `[{"$group": {"n": {"$sum": 1}}}]`, 15955},
		{"$group with an unknown accumulator", `[{"$group": {"_id": 1, "n": {"$median": 1}}}]`, 15952},
		{"$group without an accumulator", `[{"$group": {"_id": 1, "n": 5}}]`, 40234},
		{"$count of a path", `[{"$count": "a.b"}]`, 40156},
		{"$replaceWith a number", `[{"$replaceWith": 5}]`, 40228},
		{"unknown expression", `[{"$project": {"a": {"$nonsense": 1}}}]`, fault.UnknownOperator},
		{"unknown filter", `[{"$match": {"$where": "true"}}]`, fault.BadValue},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Compile(mjson.Array(t, c.pipeline))
			if err == nil {
				_, err = collect(p.Run(Of(bson.D{{Key: "a", Value: int32(1)}})))
			}
			var refusal *fault.Error
			if !errors.As(err, &refusal) || refusal.Code != c.code {
				t.Errorf("error = %+v, want one with code %d", err, c.code)
			}
		})
	}
}

func TestUpdatesTakeFewerStages(t *testing.T) {
	if _, err := CompileUpdate(mjson.Array(t, `[{"$set": {"a": 1}}, {"$unset": "b"}, {"$replaceWith": "$$ROOT"}]`)); err != nil {
		t.Error(err)
	}
	var refusal *fault.Error
	if _, err := CompileUpdate(mjson.Array(t, `[{"$match": {}}]`)); !errors.As(err, &refusal) || refusal.Code != fault.InvalidOptions {
		t.Errorf("$match in an update: error = %v, want InvalidOptions", err)
	}
}
