package routes_test

import (
	"testing"

	"github.com/openimstack/openim-operator/wrapper/routes"
)

// BenchmarkDecode is the body of a call, with numbers.
func BenchmarkDecode(b *testing.B) {
	body := []byte(`{"userIDs":["alice","bob"],"pagination":{"pageNumber":1,"showNumber":100},"version":17}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := routes.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}
