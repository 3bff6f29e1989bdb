package main

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

func TestExplainingOneConnection(t *testing.T) {
	dir := copies(t, "deploy", "branch")
	write(t, filepath.Join(dir, "more.yaml"), `apiVersion: v1
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
		"backend api http": {exitSealed, []string{"OPEN", "intended: open; the backend alone calls OpenIM's HTTP API",
			"let out by rule 0 of NetworkPolicy im/chat-backend-egress", "let in by rule 0 of NetworkPolicy im/chat-api-ingress", "nothing in the spec: every stack needs it"}},
		"gateway msggateway websocket": {exitSealed, []string{"OPEN", "let in by rule 0 of NetworkPolicy im/debug", "it is there because of spec.wrapper.auth.users"}},
		"im/curl api 10002": {exitSealed, []string{"SHUT", "intended: shut", "selected by im/chat-api-ingress, im/chat-default-deny", "no rule of theirs lets it in",
			"backend may reach this port: come through that"}},
		"curl msggateway 10001":           {exitFindings, []string{"OPEN", "intended: shut", "delete NetworkPolicy im/debug, or narrow its ingress rule 0"}},
		"shell gateway users":             {exitSealed, []string{"pod im/shell-0", "OPEN", "intended: open; the users' way in"}},
		"10.0.0.9 api metrics":            {exitSealed, []string{"pod im/shell-0", "SHUT", "spec.network.monitoring"}},
		"203.0.113.9 backend 8080":        {exitSealed, []string{"address 203.0.113.9", "SHUT", "no policy binds an address outside the cluster"}},
		"2001:db8::1 gateway 8081":        {exitSealed, []string{"OPEN", "the administrators' way in", "spec.network"}},
		"outside-ipv6 api 10002":          {exitSealed, []string{"SHUT"}},
		"intruder-elsewhere redis 6379":   {exitSealed, []string{"SHUT", "intended: shut"}},
		"im/curl redis 6379":              {exitUnknown, []string{"neither im/curl nor redis is a component"}},
		"api kafka 9092":                  {exitSealed, []string{"SHUT", "spec.network.extraEgress"}},
		"msgtransfer kafka client":        {exitSealed, []string{"pod infra/kafka", "port 9092 (client): OPEN", "msgtransfer uses kafka", "spec.dependencies.kafka"}},
		"api dns 53/udp":                  {exitSealed, []string{"port 53/UDP: OPEN", "a pod labelled k8s-app=kube-dns in namespace kube-system; none is known"}},
		"caged/bird gateway users":        {exitSealed, []string{"SHUT", "intended: open", "is held back by policies of its own, caged/caged"}},
		"rpc-user rpc-user grpc":          {exitSealed, []string{"SHUT", "may reach this port"}},
		"prometheus rpc-user grpc":        {exitUnknown, []string{`"prometheus" is no pod, address, component or party`, "msggateway", "dns", "intruder"}},
		"monitoring/prometheus api 12002": {exitSealed, []string{"OPEN", "warning: pod monitoring/prometheus-0 is on its node's network", "no policy binds here", "intended: shut", "what would change it:\n  - no policy: "}},
		"api api nonsense":                {exitUnknown, []string{`"nonsense" is no port of api`, "write a number from 1 to 65535, or one of http, metrics"}},
		"api api 0":                       {exitUnknown, []string{"is no port"}},
		"api api 1/icmp":                  {exitUnknown, []string{`"icmp" is no protocol`}},
		"finished api 1":                  {exitUnknown, []string{`"finished" is no pod`}},
		"clients gateway users":           {exitSealed, []string{"clients (anyone)", "OPEN"}},
		"gateway outside-ipv4 443":        {exitSealed, []string{"SHUT", "extraEgress"}},
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

// A rule of the stack's that is missing breaks the stack; a stack's policy that was widened leaks. Both are said.
func TestExplainingWhatWasChanged(t *testing.T) {
	dir := copies(t, "deploy")
	rendered := filepath.Join(dir, "rendered.yaml")
	invoke(t, "render", "--from-files", dir, "--output-file", rendered)
	edit(t, rendered, "    - port: 10002\n", "    - port: 10003\n")

	g := NewWithT(t)
	code, out, _ := invoke(t, "explain", "backend", "api", "10002", "--from-files", dir)
	g.Expect(code).To(Equal(exitFindings))
	g.Expect(out).To(And(ContainSubstring("SHUT"), ContainSubstring("intended: open"), ContainSubstring("rule 0 of NetworkPolicy im/chat-api-ingress is missing or changed")))
	code, out, _ = invoke(t, "explain", "backend", "api", "10003", "--from-files", dir)
	g.Expect(code).To(Equal(exitFindings))
	g.Expect(out).To(And(ContainSubstring("OPEN"), ContainSubstring("NetworkPolicy im/chat-api-ingress is the stack's own and was changed")))
}

// What stays unknown is not called sealed.
func TestExplainingWithAKindThatIsNotEvaluated(t *testing.T) {
	g := NewWithT(t)
	dir := copies(t, "deploy")
	write(t, filepath.Join(dir, "cilium.yaml"), "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: im}\n")
	code, out, _ := invoke(t, "explain", "intruder", "api", "http", "--from-files", dir)
	g.Expect(code).To(Equal(exitUnknown))
	g.Expect(out).To(ContainSubstring("CiliumNetworkPolicy im/c is of a kind that is not evaluated"))
}

// Fields that explain names are fields of the spec, and the ports behind them are the catalogue's.
func TestDoorsAreOfTheSpecAndTheCatalogue(t *testing.T) {
	g := NewWithT(t)
	for _, d := range doors() {
		c, ok := graph.Lookup(d.component)
		g.Expect(ok).To(BeTrue(), d.component)
		g.Expect(c.Port(d.port).Number).NotTo(BeZero(), d.port)
		g.Expect(isField(reflect.TypeFor[v1alpha1.OpenIMStack](), d.field)).To(BeTrue(), d.field)
	}
	for _, field := range []string{"spec.network.extraEgress", "spec.network.monitoring", "spec.network.webSocketClients"} {
		g.Expect(isField(reflect.TypeFor[v1alpha1.OpenIMStack](), field)).To(BeTrue(), field)
	}
	g.Expect(isField(reflect.TypeFor[v1alpha1.OpenIMStack](), "spec.network.doors")).To(BeFalse())
}

func isField(t reflect.Type, path string) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if path == "" {
		return true
	}
	first, rest, _ := strings.Cut(path, ".")
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == first {
			return isField(field.Type, rest)
		}
	}
	return false
}
