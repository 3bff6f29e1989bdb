package mjson

import (
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// Value reads any value. The word MISSING stands for no value.
func Value(t testing.TB, text string) any {
	t.Helper()
	if text == "MISSING" {
		return value.Missing{}
	}
	var doc bson.D
	if err := bson.UnmarshalExtJSON([]byte(`{"v": `+text+`}`), false, &doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return doc[0].Value
}

// Document reads a document.
func Document(t testing.TB, text string) bson.D {
	t.Helper()
	doc, ok := Value(t, text).(bson.D)
	if !ok {
		t.Fatalf("%s is not a document", text)
	}
	return doc
}

// Array reads an array.
func Array(t testing.TB, text string) bson.A {
	t.Helper()
	array, ok := Value(t, text).(bson.A)
	if !ok {
		t.Fatalf("%s is not an array", text)
	}
	return array
}

// Documents reads an array of documents.
func Documents(t testing.TB, text string) []bson.D {
	t.Helper()
	var docs []bson.D
	for _, v := range Array(t, text) {
		docs = append(docs, v.(bson.D))
	}
	return docs
}

// Text returns a value in a canonical form that distinguishes int, long and double.
func Text(t testing.TB, v any) string {
	t.Helper()
	if v == (value.Missing{}) {
		return "MISSING"
	}
	raw, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, true, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw[len(`{"v":`) : len(raw)-1])
}
