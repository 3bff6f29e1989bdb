package audit_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/controllers/lockdown/audit"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		port           int32
		protocol       corev1.Protocol
		open, intended bool
		// decided are what the decisions must hold, one after the other; changes must be somewhere in what would change it.
		decided, changes []string
	}{
		{
			name: "what every stack needs", from: "backend", to: "api", port: 10002, open: true, intended: true,
			decided: []string{"Egress im/chat-backend-egress", "Ingress im/chat-api-ingress"}, changes: []string{"Every stack needs it", "rule 0 of im/chat-api-ingress (the stack's own)"},
		},
		{
			name: "a component that need not", from: "gateway", to: "api", port: 10002,
			decided: []string{"Egress im/chat-", "Ingress im/chat-"}, changes: []string{"Nothing in the spec opens it", "Both sides must let it through", "port 10002"},
		},
		{
			name: "an intruder at the API", from: "intruder", to: "api", port: 10002,
			decided: []string{"Ingress im/chat-api-ingress"}, changes: []string{"spec.wrapper.externalRef", "Ingress: a rule from intruder"},
		},
		{name: "an intruder at the WebSocket", from: "intruder-elsewhere", to: "msggateway", port: 10001, changes: []string{"webSocket: Direct"}},
		{name: "an address at the users' door", from: "192.0.2.77", to: "gateway", port: 8082, open: true, intended: true, changes: []string{"change spec.network.clients"}},
		{name: "an address that is not named", from: "203.0.113.5", to: "gateway", port: 8082, changes: []string{"spec.network.clients"}},
		{name: "a client at the wrong door", from: "clients", to: "gateway", port: 8081, changes: []string{"spec.network.admins"}},
		{name: "a pod by its name", from: "monitoring/prometheus", to: "api", port: 12002, open: true, intended: true, changes: []string{"spec.network.monitoring"}},
		{name: "a pod by its address", from: "10.1.0.9", to: "api", port: 12002, changes: []string{"spec.network.monitoring"}},
		{name: "a pod of the stack by its name", from: "tools/shell", to: "im/chat-rpc-user-5d9c7b6f4-00000", port: 10320, changes: []string{"on purpose"}},
		{name: "a store", from: "rpc-msg", to: "kafka", port: 9092, open: true, intended: true, decided: []string{"Egress im/chat-rpc-msg-egress", "Ingress infra/openim"}},
		{name: "a store that it need not reach", from: "gateway", to: "kafka", port: 9092, changes: []string{"spec.network.extraEgress"}},
		{name: "a stranger at a store", from: "intruder", to: "redis", port: 6379, decided: []string{"Ingress infra/nobody"}},
		{name: "names, by UDP", from: "api", to: "dns", port: 53, protocol: corev1.ProtocolUDP, open: true, intended: true},
		{name: "the world outside", from: "rpc-third", to: "203.0.113.5", port: 443, changes: []string{"spec.network.extraEgress"}},
		{name: "a port that nobody listens on", from: "gateway", to: "backend", port: 22, changes: []string{"port 22"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			e, err := audit.Explain(clean(t), c.from, c.to, c.port, c.protocol)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(e.Open).To(Equal(c.open), "%+v", e)
			g.Expect(e.Intended).To(Equal(c.intended), "%+v", e)
			for i, words := range c.decided {
				d := e.Decided[i]
				g.Expect(d.Direction + " " + d.Policy).To(HavePrefix(words))
				g.Expect(d.Allowed).To(Equal(c.open))
			}
			g.Expect(e.Decided).NotTo(BeEmpty())
			for _, words := range c.changes {
				g.Expect(strings.Join(e.Changes, " ")).To(ContainSubstring(words))
			}
		})
	}
}

// A hole is explained by the policy that makes it.
func TestExplainAHole(t *testing.T) {
	g := NewWithT(t)
	in := clean(t)
	policyBreaches[1].commit(t, &in)
	e, err := audit.Explain(in, "tools/shell", "api", 10002, "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(e.Open).To(BeTrue())
	g.Expect(e.Intended).To(BeFalse())
	g.Expect(e.Changes).To(ContainElement("Ingress: it shuts when no rule lets it through any more; these do: rule 0 of im/debug-api."))
}

func TestExplainSaysWhatItDoesNotKnow(t *testing.T) {
	g := NewWithT(t)
	_, err := audit.Explain(clean(t), "nobody", "api", 10002, "")
	g.Expect(err).To(MatchError(SatisfyAll(ContainSubstring(`"nobody" is not known`), ContainSubstring("rpc-user"), ContainSubstring("intruder"), ContainSubstring("clients"))))
	_, err = audit.Explain(clean(t), "im/ghost", "api", 10002, "")
	g.Expect(err).To(MatchError(ContainSubstring("there is no pod ghost in namespace im")))
	_, err = audit.Explain(clean(t), "api", "api", 0, "")
	g.Expect(err).To(MatchError(ContainSubstring("write a number from 1 to 65535")))
}
