package auth_test

import (
	"testing"

	"github.com/openimstack/openim-operator/wrapper/auth"
)

// BenchmarkAssertion is one assertion signed and verified, with its body of 1 KiB.
func BenchmarkAssertion(b *testing.B) {
	key := &secret{keyOne}
	v := auth.NewAssertions(key, (&clock{noon}).now)
	c := call(func(c *auth.Call) { c.Body, c.Instance = make([]byte, 1<<10), v.Instance() })
	b.ReportAllocs()
	for b.Loop() {
		token, err := auth.Assert(key, c, noon)
		if err != nil {
			b.Fatal(err)
		}
		if _, refusal := v.Verify(token, c); refusal != nil && refusal.Detail != "too many assertions in one window to detect a replay" {
			b.Fatal(refusal)
		}
	}
}
