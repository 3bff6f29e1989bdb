package exposure

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

func TestAnnotationsThatNoObjectMayHaveAreNamed(t *testing.T) {
	long := strings.Repeat("x", 64)
	for _, c := range []struct {
		name    string
		refused bool
	}{
		{"service.beta.kubernetes.io/aws-load-balancer-type", false},
		{"plain", false},
		{"cert-manager.io/cluster-issuer", false},
		{"Example.com/Name", false}, // as kubectl accepts it
		{"notopenimstack.dev/x", false},
		{"", true},
		{"a b", true},
		{"example.com/", true},
		{"example.com/a/b", true},
		{"example.com/" + long, true},
		{"line\nbreak", true},
		{"\x00", true},
		{"ü", true},
		{"openimstack.dev/exceptions", true},
		// What configures the controller, or leads requests elsewhere.
		{"nginx.ingress.kubernetes.io/configuration-snippet", true},
		{"nginx.ingress.kubernetes.io/server-snippet", true},
		{"nginx.ingress.kubernetes.io/stream-snippet", true},
		{"nginx.ingress.kubernetes.io/auth-snippet", true},
		{"nginx.ingress.kubernetes.io/modsecurity-snippet", true},
		{"chosen.example.com/server-snippet", true}, // ingress-nginx --annotations-prefix
		{"NGINX.ingress.kubernetes.io/Server-Snippet", true},
		{"nginx.org/location-snippets", true},
		{"haproxy.org/backend-config-snippet", true},
		{"haproxy-ingress.github.io/config-backend", true},
		{"haproxy-ingress.github.io/config-tcp-service", true},
		{"ingress.kubernetes.io/config-frontend", true},
		{"getambassador.io/config", true},
		{"nginx.ingress.kubernetes.io/auth-url", true},
		{"nginx.ingress.kubernetes.io/auth-signin", true},
		{"nginx.ingress.kubernetes.io/mirror-target", true},
		{"nginx.ingress.kubernetes.io/server-alias", true},
		{"nginx.ingress.kubernetes.io/default-backend", true},
		{"nginx.ingress.kubernetes.io/permanent-redirect", true},
		{"nginx.ingress.kubernetes.io/upstream-vhost", true},
		{"nginx.ingress.kubernetes.io/rewrite-target", true},
		{"alb.ingress.kubernetes.io/actions.ssl-redirect", true},
		{"alb.ingress.kubernetes.io/conditions.users", true},
		{"alb.ingress.kubernetes.io/group.name", true},
		{"alb.ingress.kubernetes.io/group.order", true},
		{"alb.ingress.kubernetes.io/target-group-attributes", false},
		{"example.com/group.name", false},
		// What an exposure needs stays usable.
		{"nginx.ingress.kubernetes.io/backend-protocol", false},
		{"nginx.ingress.kubernetes.io/proxy-read-timeout", false},
		{"nginx.ingress.kubernetes.io/proxy-body-size", false},
		{"nginx.ingress.kubernetes.io/whitelist-source-range", false},
		{"haproxy.org/server-ssl", false},
		{"traefik.ingress.kubernetes.io/router.entrypoints", false},
		{"traefik.ingress.kubernetes.io/router.middlewares", false},
		{"alb.ingress.kubernetes.io/scheme", false},
		{"external-dns.alpha.kubernetes.io/hostname", false},
		{"config-backend", false},
		{"example.com/config-backend", false},
		{"OpenIMStack.dev/exceptions", true},
		{"kubectl.kubernetes.io/last-applied-configuration", true},
	} {
		g := NewWithT(t)
		found := Refusals([]v1alpha1.Exposure{
			{Listener: v1alpha1.ListenerUsers, Service: &v1alpha1.ExposedService{Annotations: map[string]v1alpha1.AnnotationValue{c.name: "v"}}},
			{Listener: v1alpha1.ListenerAdmins, Ingress: &v1alpha1.ExposedIngress{Annotations: map[string]v1alpha1.AnnotationValue{c.name: "v"}}},
		})
		if !c.refused {
			g.Expect(found).To(BeEmpty(), "%q", c.name)
			continue
		}
		g.Expect(found).To(HaveLen(2), "%q", c.name)
		g.Expect(found[0].Field).To(Equal("spec.wrapper.gateway.expose[Users].service.annotations"))
		g.Expect(found[1].Field).To(Equal("spec.wrapper.gateway.expose[Admins].ingress.annotations"))
		for _, r := range found {
			g.Expect(r.Why).To(Or(ContainSubstring("write a name such as"), ContainSubstring("remove it")))
			g.Expect(strings.ContainsAny(r.Why, "\n\x00")).To(BeFalse())
		}
	}
}

func TestTheMessageAboutAHugeNameIsShort(t *testing.T) {
	g := NewWithT(t)
	found := Refusals([]v1alpha1.Exposure{{Service: &v1alpha1.ExposedService{
		Annotations: map[string]v1alpha1.AnnotationValue{strings.Repeat("é", 1<<20): "v"},
	}}})
	g.Expect(found).To(HaveLen(2), "the name and the size")
	for _, r := range found {
		g.Expect(len(r.Why)).To(BeNumerically("<", 300))
	}
}

// The largest annotations that the schema accepts are accepted: 32 values of 4096 bytes.
func TestTheLargestAnnotationsOfTheSchemaNeedShortNames(t *testing.T) {
	g := NewWithT(t)
	annotations := map[string]v1alpha1.AnnotationValue{}
	for i := range 31 {
		annotations[fmt.Sprintf("example.com/%d", i)] = v1alpha1.AnnotationValue(strings.Repeat("x", 4096))
	}
	exposures := []v1alpha1.Exposure{{Listener: v1alpha1.ListenerUsers, Service: &v1alpha1.ExposedService{Annotations: annotations}}}
	g.Expect(Refusals(exposures)).To(BeEmpty())
	annotations["example.com/31"] = annotations["example.com/0"]
	g.Expect(Refusals(exposures)).To(ConsistOf(HaveField("Why", ContainSubstring("at most 131072"))))
}

func TestNoExposureIsNothingToRefuse(t *testing.T) {
	NewWithT(t).Expect(Refusals(nil)).To(BeEmpty())
	NewWithT(t).Expect(Refusals([]v1alpha1.Exposure{{Listener: v1alpha1.ListenerUsers}})).To(BeEmpty())
}
