package routes

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

func TestNumbersAreKeptAsWritten(t *testing.T) {
	for text, want := range map[string]string{
		`1`: "1", `-9223372036854775808`: "-9223372036854775808", `9223372036854775807`: "9223372036854775807",
		`9223372036854775808`: "9223372036854775808", `18446744073709551615`: "18446744073709551615", `1.50`: "1.50", `1e2`: "1e2",
		`123456789012345678901234567890`: "123456789012345678901234567890", `-0`: "0", `0`: "0",
	} {
		g := NewWithT(t)
		body, err := Decode([]byte(`{"n":` + text + `}`))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(body).To(Equal(map[string]any{"n": json.Number(want)}))
		body, err = Decode([]byte(`{"first":7,"list":[3,{"n":` + text + `}]}`))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(body["first"]).To(Equal(json.Number("7")), "beside a number that needs the second decoder too")
		g.Expect(body["list"]).To(HaveExactElements(json.Number("3"), map[string]any{"n": json.Number(want)}))
	}
}

// FuzzDecode compares with a decoder that keeps the numbers by itself.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"a":1}`, `{"a":[1,2.5,{"b":18446744073709551615}]}`, `{"a":-0}`, `{"a":null,"b":true,"c":"\ud800"}`, `{"a":1,"a":2}`, `[]`, `{"a":1}x`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Decode(data)
		if _, strict := wire.DecodeObject(data); (err == nil) != (strict == nil) {
			t.Fatalf("%q: %v, and strictly %v", data, err, strict)
		}
		if err != nil || bytes.Contains(data, []byte("-0")) {
			return
		}
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		var want map[string]any
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %v instead of %v (%v)", data, got, want, err)
		}
	})
}
