package exposure

import (
	"slices"
	"strings"
)

// injections are annotations by which whoever edits a stack would configure the controller itself, or lead the requests of a listener, with
// their tokens, to another server. The operator writes the object with its own rights, so that what keeps people from writing such an
// Ingress does not keep them from writing a stack. Annotations are known by what follows the slash: the prefix of ingress-nginx can be
// chosen (--annotations-prefix), and its derivatives have others. docs/exposure.md has the sources.
var injections = []struct {
	matches func(domain, name string) bool
	why     string
}{
	{
		func(_, name string) bool { return strings.Contains(name, "snippet") },
		"it is raw configuration of the controller, which serves others too and reads Secrets: have its administrator configure it",
	},
	{
		// jcmoraisjr/haproxy-ingress. The legacy prefix is that of several controllers.
		func(domain, name string) bool {
			return strings.HasPrefix(name, "config-") && (below(domain, "haproxy-ingress.github.io") || domain == "ingress.kubernetes.io")
		},
		"it is raw configuration of the controller, which serves others too and reads Secrets: have its administrator configure it",
	},
	{
		func(domain, _ string) bool { return below(domain, "getambassador.io") },
		"it is configuration of the controller for any host and Service: have its administrator configure it",
	},
	{
		named("auth-url", "auth-signin", "mirror-target", "mirror-host", "mirror-request-body"),
		"it sends requests, with the tokens of callers, to another server: the gateway checks who calls",
	},
	{
		named("default-backend", "custom-http-errors", "permanent-redirect", "temporal-redirect", "app-root", "upstream-vhost", "server-alias",
			"rewrite-target", "rewrites", "redirect-to", "request-redirect", "path-rewrite", "proxy-redirect-to", "proxy-redirect-from",
			"auth-tls-error-page", "backend-hostname", "canary", "canary-by-header", "canary-weight"),
		"it leads requests elsewhere than the listener, or takes hosts that expose does not name: write the hosts to expose",
	},
	{
		// AWS Load Balancer Controller, docs/guide/ingress/annotations.md, IngressGroup: whoever may write an Ingress of a group adds rules to
		// those of the others, before theirs by group.order.
		func(domain, name string) bool {
			return below(domain, "alb.ingress.kubernetes.io") && strings.HasPrefix(name, "group.")
		},
		"it merges the Ingress with those of others into one load balancer, where the rules of one take requests of the other: have the class " +
			"name the group (IngressClassParams)",
	},
	{
		func(domain, name string) bool {
			return below(domain, "alb.ingress.kubernetes.io") && (strings.HasPrefix(name, "actions.") || strings.HasPrefix(name, "conditions."))
		},
		"it leads requests elsewhere than the listener: write the hosts to expose",
	},
}

func named(names ...string) func(domain, name string) bool {
	return func(_, name string) bool { return slices.Contains(names, name) }
}

// below reports whether a domain is another one or below it.
func below(domain, of string) bool { return domain == of || strings.HasSuffix(domain, "."+of) }

// injects returns what is wrong with an annotation that a controller reads as configuration, "" for any other. The annotation is in
// lower case.
func injects(annotation string) string {
	domain, name, ok := strings.Cut(annotation, "/")
	if !ok {
		return "" // no controller reads annotations without a domain
	}
	for _, i := range injections {
		if i.matches(domain, name) {
			return i.why
		}
	}
	return ""
}
