package celrules_test

import (
	"testing"

	"github.com/openimstack/openim-operator/wrapper/celrules"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// FuzzRule checks that no expression and no body makes Compile or Check panic, and that the same call has the same result twice.
func FuzzRule(f *testing.F) {
	f.Add(`identity.role == "admin"`, `{}`)
	f.Add(`!has(body.contentType) || body.contentType in [101, 102]`, `{"CONTENTTYPE":101}`)
	f.Add(`body.users.exists_one(u, u.userID == identity.userID)`, `{"users":[{"userID":"alice"},{"userid":"alice"}]}`)
	f.Add(`cidr("10.0.0.0/8").containsIP(connection.ip) && body == {"a": 1}`, `{"a":1}`)
	f.Add(`body.map(k, k)[0].matches(body.x) || duration(body.y) < duration("1h")`, `{"x":"(a*)*b","y":"1s"}`)
	f.Add(`timestamp(body.t).getHours("Europe/Berlin") < 5 || dyn(body) == dyn([1])`, `{"t":"2026-01-01T00:00:00Z","T":1}`)
	f.Fuzz(func(t *testing.T, expression, text string) {
		set, err := celrules.Compile([]celrules.Rule{{Name: "r", Expression: expression}})
		if err != nil {
			return
		}
		object, err := wire.DecodeObject([]byte(text))
		if err != nil {
			object = nil
		}
		c := call(func(c *celrules.Call) { c.Body = object })
		first, second := set.Check(t.Context(), c), set.Check(t.Context(), c)
		if (first == nil) != (second == nil) {
			t.Fatal("the same call has two results")
		}
	})
}

// FuzzSpelling checks that a rule finds a member in exactly the spellings in which encoding/json finds it.
func FuzzSpelling(f *testing.F) {
	for _, name := range []string{"contentType", "CONTENTTYPE", "content_type", "contentTypé", "ſ", ""} {
		f.Add(name)
	}
	set, err := celrules.Compile([]celrules.Rule{{Name: "r", Expression: `!has(body.contentType)`}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string) {
		refused := set.Check(t.Context(), call(func(c *celrules.Call) { c.Body = map[string]any{name: int64(1)} })) != nil
		if refused != readByEncodingJSON(t, name) {
			t.Fatalf("%q: refused is %v", name, refused)
		}
	})
}
