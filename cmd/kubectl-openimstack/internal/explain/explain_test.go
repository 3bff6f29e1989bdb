package explain_test

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
)

func TestExplainingOneConnection(t *testing.T) {
	dir := plugintest.Copies(t, "deploy", "branch")
	plugintest.Write(t, filepath.Join(dir, "more.yaml"), `apiVersion: v1
kind: Pod
metadata: {name: curl, namespace: im}
spec: {containers: [{name: c}]}
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus-0, namespace: monitoring}
spec: {hostNetwork: true, containers: [{name: c, ports: [{name: web, containerPort: 9090}]}]}
status: {podIP: 10.0.0.7, hostIP: 10.0.0.7}
---
apiVersion: v1
kind: Pod
metadata: {name: finished, namespace: im}
spec: {containers: [{name: c}]}
status: {phase: Succeeded, podIP: 10.0.0.8}
---
apiVersion: v1
kind: Pod
metadata: {name: shell-0, namespace: im}
spec: {containers: [{name: c}]}
status: {phase: Running, podIP: 10.0.0.9}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: caged, namespace: caged}
spec: {podSelector: {}, policyTypes: [Egress]}
---
apiVersion: v1
kind: Pod
metadata: {name: bird, namespace: caged}
spec: {containers: [{name: c}]}
`)
	for line, c := range map[string]struct {
		code int
		says []string
	}{
		"backend api http": {cli.ExitSealed, []string{"OPEN", "intended: open; the backend calls OpenIM's HTTP API",
			"let out by rule 0 of NetworkPolicy im/chat-backend-egress", "let in by rule 0 of NetworkPolicy im/chat-api-ingress",
			"nothing in the spec: every stack needs the connection"}},
		"gateway msggateway websocket": {cli.ExitSealed, []string{
			"OPEN", "let in by rule 0 of NetworkPolicy im/debug", "the connection is open because of spec.wrapper.auth.users",
		}},
		"im/curl api 10002": {cli.ExitSealed, []string{"CLOSED", "intended: closed",
			"selected by im/chat-api-ingress, im/chat-default-deny", "none of their rules lets the connection in",
			"backend may reach this port: connect through that"}},
		"curl msggateway 10001": {cli.ExitFindings, []string{
			"OPEN", "intended: closed", "delete NetworkPolicy im/debug, or narrow its ingress rule 0",
		}},
		"shell gateway users":  {cli.ExitSealed, []string{"pod im/shell-0", "OPEN", "intended: open; users' requests"}},
		"10.0.0.9 api metrics": {cli.ExitSealed, []string{"pod im/shell-0", "CLOSED", "spec.network.monitoring"}},
		"203.0.113.9 backend 8080": {cli.ExitSealed, []string{
			"address 203.0.113.9", "CLOSED", "no policy applies to an address outside the cluster",
		}},
		"2001:db8::1 gateway 8081":      {cli.ExitSealed, []string{"OPEN", "administrators' requests", "spec.network"}},
		"outside-ipv6 api 10002":        {cli.ExitSealed, []string{"CLOSED"}},
		"intruder-elsewhere redis 6379": {cli.ExitSealed, []string{"CLOSED", "intended: closed"}},
		"im/curl redis 6379":            {cli.ExitUnknown, []string{"neither im/curl nor redis is a component"}},
		"api kafka 9092":                {cli.ExitSealed, []string{"CLOSED", "spec.network.extraEgress"}},
		"msgtransfer kafka client": {cli.ExitSealed, []string{
			"pod infra/kafka", "port 9092 (client): OPEN", "msgtransfer uses kafka", "spec.dependencies.kafka",
		}},
		"api dns 53/udp": {cli.ExitSealed, []string{
			"port 53/UDP: OPEN", "a pod labelled k8s-app=kube-dns in namespace kube-system; none is known",
		}},
		"caged/bird gateway users": {cli.ExitSealed, []string{
			"CLOSED", "intended: open", "is blocked by policies of its own, caged/caged",
		}},
		"rpc-user rpc-user grpc": {cli.ExitSealed, []string{"CLOSED", "may reach this port"}},
		"prometheus rpc-user grpc": {cli.ExitUnknown, []string{
			`no pod, address, component or peer "prometheus" is known`, "msggateway", "dns", "intruder",
		}},
		"monitoring/prometheus api 12002": {cli.ExitSealed, []string{
			"OPEN", "warning: pod monitoring/prometheus-0 is on its node's network", "no policy is enforced here",
			"intended: closed", "what would change it:\n  - no policy: ",
		}},
		"api api nonsense": {cli.ExitUnknown, []string{
			`unknown port "nonsense" of api`, "write a number from 1 to 65535, or one of http, metrics",
		}},
		"api api 0":                {cli.ExitUnknown, []string{`unknown port "0"`}},
		"api api 1/icmp":           {cli.ExitUnknown, []string{`unknown protocol "icmp"`}},
		"finished api 1":           {cli.ExitUnknown, []string{`no pod, address, component or peer "finished"`}},
		"clients gateway users":    {cli.ExitSealed, []string{"clients (anyone)", "OPEN"}},
		"gateway outside-ipv4 443": {cli.ExitSealed, []string{"CLOSED", "extraEgress"}},
	} {
		t.Run(line, func(t *testing.T) {
			g := NewWithT(t)
			code, out, errs := invoke(t, append([]string{"explain", "--from-files", dir}, strings.Fields(line)...)...)
			for _, says := range c.says {
				g.Expect(out + errs).To(ContainSubstring(says))
			}
			g.Expect(code).To(Equal(c.code), out)
		})
	}
}

// A missing rule of the stack's breaks the stack; a widened policy of the stack's leaks. Both are reported.
func TestExplainingWhatWasChanged(t *testing.T) {
	dir := plugintest.Copies(t, "deploy")
	rendered := filepath.Join(dir, "rendered.yaml")
	invoke(t, "render", "--from-files", dir, "--output-file", rendered)
	plugintest.Edit(t, rendered, "    - port: 10002\n", "    - port: 10003\n")

	g := NewWithT(t)
	code, out, _ := invoke(t, "explain", "backend", "api", "10002", "--from-files", dir)
	g.Expect(code).To(Equal(cli.ExitFindings))
	g.Expect(out).To(And(
		ContainSubstring("CLOSED"), ContainSubstring("intended: open"),
		ContainSubstring("rule 0 of NetworkPolicy im/chat-api-ingress is missing or changed")))
	code, out, _ = invoke(t, "explain", "backend", "api", "10003", "--from-files", dir)
	g.Expect(code).To(Equal(cli.ExitFindings))
	g.Expect(out).To(And(ContainSubstring("OPEN"), ContainSubstring("NetworkPolicy im/chat-api-ingress is the stack's own and was changed")))
}

// A policy of an unknown kind makes the result unknown.
func TestExplainingWithAKindThatIsNotEvaluated(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy")
	plugintest.Write(t, filepath.Join(dir, "cilium.yaml"),
		"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: im}\n")
	code, out, _ := invoke(t, "explain", "intruder", "api", "http", "--from-files", dir)
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(out).To(ContainSubstring("CiliumNetworkPolicy im/c is of a kind that is not evaluated"))
}
