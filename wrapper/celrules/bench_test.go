package celrules_test

import (
	"testing"

	"github.com/openimstack/openim-operator/wrapper/celrules"
)

func BenchmarkCheck(b *testing.B) {
	for _, c := range []struct{ name, expression string }{
		{"identity", `identity.role == "user" && identity.platformID in [1, 2]`},
		{"route", `route.name != "friend/add_friend" || identity.userID != "mallory"`},
		{"body", `!has(body.contentType) || body.contentType in [101, 102, 103]`},
		{"network", `cidr("10.0.0.0/8").containsIP(connection.ip)`},
		{"list of two", `body.users.all(u, u.userID != identity.userID)`},
	} {
		b.Run(c.name, func(b *testing.B) {
			set := compile(b, c.expression)
			in := call()
			b.ReportAllocs()
			for b.Loop() {
				if set.Check(b.Context(), in) != nil {
					b.Fatal("refused")
				}
			}
		})
	}
	b.Run("ten rules", func(b *testing.B) {
		set := compile(b, `identity.role == "user"`, `identity.platformID in [1, 2]`, `connection.tls`, `route.name != "a/b"`,
			`route.audit != "c"`,
			`identity.userID != "mallory"`, `body.contentType != 110`, `!has(body.ex) || body.ex == ""`, `body.sessionType in [1, 3]`,
			`connection.origin != ""`)
		in := call()
		b.ReportAllocs()
		for b.Loop() {
			if set.Check(b.Context(), in) != nil {
				b.Fatal("refused")
			}
		}
	})
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := celrules.Compile([]celrules.Rule{{Name: "r",
			Expression: `!has(body.contentType) || body.contentType in [101, 102, 103]`}}); err != nil {
			b.Fatal(err)
		}
	}
}
