package audit_test

import (
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
)

// Manifests of a stack that exposes its users' listener, as rendered by the plugin and with what somebody added.
func TestManifestsOfAnExposedListener(t *testing.T) {
	const (
		ingress = `apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: web, namespace: im}
spec:
  rules:
  - host: im.example.com
    http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: chat-users, port: {name: users}}}}]}
`
		httpRoute = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: im}
spec: {hostnames: [im.example.com], rules: [{backendRefs: [{name: chat-gateway, port: 8082}]}]}
`
		toOpenIM = `apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web, namespace: im}
spec: {hostnames: [im.example.com], rules: [{backendRefs: [{name: chat-backend, port: 8080}]}]}
`
	)
	for _, c := range []struct {
		name, text, finding string
		render              bool
		exit                int
	}{
		{name: "the stack alone", exit: cli.ExitSealed},
		{name: "the stack and what the operator makes of it", render: true, exit: cli.ExitSealed},
		{name: "an Ingress to the exposed Service", text: ingress, exit: cli.ExitFindings, finding: "ListenerExposed Medium Ingress im/web"},
		{name: "a route to the gateway", text: httpRoute, exit: cli.ExitFindings, finding: "ListenerExposed Medium HTTPRoute im/web"},
		{name: "a route to the backend", text: toOpenIM, exit: cli.ExitFindings, finding: "RouteExposes High HTTPRoute im/web"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			dir := plugintest.Copies(t, "deploy")
			const wrapper = "\n  wrapper:\n"
			plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), wrapper, wrapper+
				"    gateway: {expose: [{listener: Users, service: {type: LoadBalancer}, ingress: {hosts: [im.example.com]}}]}\n")
			if c.render {
				code, out, errs := invoke(t, "render", "--from-files", dir, "chat")
				g.Expect(code).To(Equal(cli.ExitSealed), errs)
				g.Expect(out).To(And(ContainSubstring("kind: Ingress"), ContainSubstring("name: chat-users\n")))
				plugintest.Write(t, filepath.Join(dir, "children.yaml"), out)
			}
			if c.text != "" {
				plugintest.Write(t, filepath.Join(dir, "case.yaml"), c.text)
			}
			code, out, errs := invoke(t, "audit", "--from-files", dir, "-o", "json")
			found := plugintest.Reports(t, out)[0].Findings
			g.Expect(code).To(Equal(c.exit), "%v %s", found, errs)
			if c.finding == "" {
				g.Expect(found).To(BeEmpty())
				return
			}
			g.Expect(found).To(HaveLen(1), "%v", found)
			g.Expect(worded(found[0])).To(Equal(c.finding))
		})
	}
}
