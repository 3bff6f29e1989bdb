package routes

import (
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// TestEveryRouteOfTheGatewaysOwnDeclaresItsReply checks the table and the generated documents.
func TestEveryRouteOfTheGatewaysOwnDeclaresItsReply(t *testing.T) {
	text, err := OpenAPI()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	var document struct {
		Paths map[string]map[string]struct{ Responses map[string]any }
	}
	NewWithT(t).Expect(yaml.Unmarshal(text, &document)).To(Succeed())
	used := map[string]bool{}
	var use func(name string)
	use = func(name string) {
		used[name] = true
		for _, line := range ownMessages[name] {
			if of := lastWord(line); ownMessages[of] != nil {
				use(of)
			}
		}
	}
	for i := range OwnRoutes {
		r := &OwnRoutes[i]
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			if r.Path == wire.SocketPath {
				g.Expect(r.Reply).To(BeEmpty(), "the reply is a connection")
				return
			}
			g.Expect(ownMessages).To(HaveKey(r.Reply))
			use(r.Reply)
			g.Expect(document.Paths).To(HaveKey(r.Path))
			for _, operation := range document.Paths[r.Path] {
				shown, err := json.Marshal(operation.Responses["200"])
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(string(shown)).To(ContainSubstring(`"#/components/schemas/` + r.Reply + `"`))
			}
			g.Expect(Docs()).To(ContainSubstring("| " + r.Why + " | " + r.Reply + " |"))
			g.Expect(Docs()).To(ContainSubstring("\n| " + r.Reply + " | "))
		})
	}
	for name := range ownMessages {
		NewWithT(t).Expect(used[name]).To(BeTrue(), name+" is the reply of no route")
	}
}

func lastWord(line string) string {
	for i := len(line) - 1; i >= 0; i-- {
		if line[i] == ' ' {
			return line[i+1:]
		}
	}
	return line
}

// TestRepliesOfTheGatewaysOwnAreProjected checks that only declared members remain, as in OpenIM's replies.
func TestRepliesOfTheGatewaysOwnAreProjected(t *testing.T) {
	for _, c := range []struct {
		name, path, in, want string // want empty: refused
		fields               int
	}{
		{"as it should be", wire.PathTickets, `{"ticket":"t","expires":1}`, `{"ticket":"t","expires":1}`, 0},
		{"a member that is not declared", wire.PathTickets, `{"ticket":"t","secret":"s","expires":1}`, `{"ticket":"t","expires":1}`, 1},
		{"one deeper", wire.PathDevices, `{"devices":[{"id":"d","psk":"s"}]}`, `{"devices":[{"id":"d"}]}`, 1},
		{"no devices", wire.PathDevices, `{"devices":null}`, `{"devices":null}`, 0},
		{"any keys", wire.WellKnownPath, `{"paths":{"start":"/x"}}`, `{"paths":{"start":"/x"}}`, 0},
		{"nothing is declared", wire.PathRevokeSessions, `{"session":"s"}`, `{}`, 1},
		{"another type", wire.PathTickets, `{"ticket":"t","expires":"1"}`, "", 0},
		{"a connection", wire.SocketPath, `{}`, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := FindOwn(Users, c.path).ProjectReply([]byte(c.in))
			if c.want == "" {
				g.Expect(err).To(HaveOccurred())
				g.Expect(got.Data).To(BeNil())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got.Data)).To(Equal(c.want))
			g.Expect(got.Fields).To(Equal(c.fields))
		})
	}
}
