package proxy

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/mjson"
)

func TestThePrefilterHoldsOnlyPlainConditionsOfLeadingMatches(t *testing.T) {
	for _, c := range []struct{ name, pipeline, want string }{
		{"no stage", `[]`, `{}`},
		{"a text", `[{"$match": {"doc_id": "si_a_b:0"}}]`, `{"$and": [{"doc_id": "si_a_b:0"}]}`},
		{"an ObjectId, beyond a sort", `[{"$sort": {"_id": 1}}, {"$match": {"_id": {"$gt": {"$oid": "6777bd800000000000000000"}}}}]`, `{"$and": [{"_id": {"$gt": {"$oid": "6777bd800000000000000000"}}}]}`},
		{"two matches, one by pattern", `[{"$match": {"a": {"$regex": "^x"}}}, {"$match": {"b": {"$in": ["y", true]}}}]`, `{"$and": [{"a": {"$regex": "^x"}}, {"b": {"$in": ["y", true]}}]}`},
		{"within $and", `[{"$match": {"$and": [{"a": "x"}, {"$or": [{"b": "y"}]}]}}]`, `{"$and": [{"a": "x"}]}`},
		{"a path, a number, null, $or and $expr are left to the stages", `[{"$match": {"a.b": "x", "n": 5, "z": null, "$or": [{"a": "x"}], "$expr": true}}]`, `{}`},
		{"operators that are left to the stages", `[{"$match": {"a": {"$ne": "x"}, "b": {"$not": {"$eq": "x"}}, "c": {"$regex": "x", "$options": "i"}, "d": {"$in": ["x", null]}}}]`, `{}`},
		{"nothing after a stage that changes documents", `[{"$project": {"a": 1}}, {"$match": {"a": "x"}}]`, `{}`},
		{"nothing after a limit", `[{"$limit": 1}, {"$match": {"a": "x"}}]`, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, want := mjson.Text(t, prefilter(mjson.Array(t, c.pipeline))), mjson.Text(t, mjson.Value(t, c.want))
			if got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestCursorsAreBoundedAndForgotten(t *testing.T) {
	doc := bson.Raw(make([]byte, maxResult/4))
	var c cursors
	id, err := c.add("db.c", []bson.Raw{doc, doc, doc})
	if err != nil || id == 0 {
		t.Fatalf("cursor %d, %v", id, err)
	}
	if _, err := c.add("db.c", []bson.Raw{doc, doc}); err == nil {
		t.Error("five quarters of the limit were taken")
	}
	if _, _, known := c.next(id, "db.other", 1); known {
		t.Error("a cursor was served to another collection")
	}
	batch, more, known := c.next(id, "db.c", 1)
	if len(batch) != 1 || !more || !known {
		t.Errorf("first batch: %d documents, more %v, known %v", len(batch), more, known)
	}
	c.open[id].used = c.open[id].used.Add(-2 * idle)
	if _, err := c.add("db.c", []bson.Raw{doc, doc}); err != nil {
		t.Errorf("an idle cursor still counts: %v", err)
	}
	if _, _, known := c.next(id, "db.c", 1); known {
		t.Error("an idle cursor is still served")
	}
}

func TestEmptyResultsHaveNoCursor(t *testing.T) {
	var c cursors
	if id, err := c.add("db.c", nil); id != 0 || err != nil {
		t.Errorf("cursor %d, %v; want none", id, err)
	}
}

func TestABatchFitsIntoOneReplyButIsNeverEmpty(t *testing.T) {
	small, large := bson.Raw(make([]byte, 100)), bson.Raw(make([]byte, 15<<20))
	for _, c := range []struct {
		docs     []bson.Raw
		n, batch int
	}{
		{[]bson.Raw{small, small, small}, 2, 2}, {[]bson.Raw{small, small}, 0, 2}, {[]bson.Raw{small}, 9, 1},
		{[]bson.Raw{large, large}, 2, 1}, {[]bson.Raw{small, large, small, large}, 9, 3}, {nil, 5, 0},
	} {
		if batch, rest := cut(c.docs, c.n); len(batch) != c.batch || len(batch)+len(rest) != len(c.docs) {
			t.Errorf("of %d documents, %d wanted: %d in the batch and %d left, want %d in the batch", len(c.docs), c.n, len(batch), len(rest), c.batch)
		}
	}
}
