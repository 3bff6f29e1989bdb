package exposure

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// parentOf is a reference to a Gateway as the operator writes it.
func parentOf(namespace, name, section string) gatewayv1.ParentReference {
	p := gatewayv1.ParentReference{
		Group: ptr.To(gatewayv1.Group("gateway.networking.k8s.io")), Kind: ptr.To(gatewayv1.Kind("Gateway")), Name: gatewayv1.ObjectName(name),
	}
	if namespace != "" {
		p.Namespace = ptr.To(gatewayv1.Namespace(namespace))
	}
	if section != "" {
		p.SectionName = ptr.To(gatewayv1.SectionName(section))
	}
	return p
}

// says are the conditions Accepted and ResolvedRefs of a generation. "" leaves a condition out.
func says(accepted, resolved metav1.ConditionStatus, generation int64) []metav1.Condition {
	var all []metav1.Condition
	for name, status := range map[string]metav1.ConditionStatus{"Accepted": accepted, "ResolvedRefs": resolved} {
		if status != "" {
			all = append(all, metav1.Condition{
				Type: name, Status: status, ObservedGeneration: generation, Reason: "Because", Message: "of " + name,
			})
		}
	}
	return all
}

// routed is a route of generation 2 to some parents, with what implementations said.
func routed(parents []gatewayv1.ParentReference, statuses ...gatewayv1.RouteParentStatus) Route {
	route := &gatewayv1.HTTPRoute{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat-users", Generation: 2}}
	route.Spec.ParentRefs, route.Spec.Hostnames = parents, []gatewayv1.Hostname{"im.example.com", "*.im.example.com"}
	live := route.DeepCopy()
	live.Status.Parents = statuses
	return Route{Wanted: route, Live: live}
}

// withTLS adds a BackendTLSPolicy of generation 1, with what implementations said of it for the Gateway gateways/public.
func (r Route) withTLS(conditions ...[]metav1.Condition) Route {
	r.WantsTLS, r.TLS = true, &gatewayv1.BackendTLSPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Generation: 1}}
	for _, c := range conditions {
		r = r.tlsOf(parentOf("gateways", "public", ""), c)
	}
	return r
}

// tlsOf adds what an implementation said of the BackendTLSPolicy for a Gateway.
func (r Route) tlsOf(ancestor gatewayv1.ParentReference, conditions []metav1.Condition) Route {
	r.TLS.Status.Ancestors = append(r.TLS.Status.Ancestors, gatewayv1.PolicyAncestorStatus{AncestorRef: ancestor, Conditions: conditions})
	return r
}

// tlsFrom adds what an implementation with a name said of the BackendTLSPolicy.
func (r Route) tlsFrom(controller gatewayv1.GatewayController, ancestor gatewayv1.ParentReference, conditions []metav1.Condition) Route {
	r = r.tlsOf(ancestor, conditions)
	r.TLS.Status.Ancestors[len(r.TLS.Status.Ancestors)-1].ControllerName = controller
	return r
}

const traefik = "traefik.io/gateway-controller"

// byTraefik is a route that Traefik serves for all parents, with a BackendTLSPolicy of which nothing is said yet.
func byTraefik(parents []gatewayv1.ParentReference, namespace string) Route {
	var statuses []gatewayv1.RouteParentStatus
	for _, p := range parents {
		statuses = append(statuses, gatewayv1.RouteParentStatus{
			ParentRef: p, ControllerName: traefik, Conditions: says(metav1.ConditionTrue, metav1.ConditionTrue, 2),
		})
	}
	r := routed(parents, statuses...).withTLS()
	r.TLS.Namespace = namespace
	return r
}

func TestARouteIsOpenWhenEachOfItsGatewaysServesItAsItIs(t *testing.T) {
	const yes, no = metav1.ConditionTrue, metav1.ConditionFalse
	public, own := parentOf("gateways", "public", ""), parentOf("", "own", "https")
	one := []gatewayv1.ParentReference{public}
	status := func(of gatewayv1.ParentReference, conditions []metav1.Condition) gatewayv1.RouteParentStatus {
		return gatewayv1.RouteParentStatus{ParentRef: of, Conditions: conditions}
	}
	served := status(public, says(yes, yes, 2))
	bare := gatewayv1.ParentReference{Name: "public", Namespace: ptr.To(gatewayv1.Namespace("gateways"))}
	explicit := own
	explicit.Namespace = ptr.To(gatewayv1.Namespace("im"))
	both := routed([]gatewayv1.ParentReference{public, own}, served, status(explicit, says(yes, yes, 2)))
	for _, c := range []struct {
		name         string
		route        Route
		reason, text string
	}{
		{"a cluster without the Gateway API", Route{Missing: []string{"HTTPRoute", "BackendTLSPolicy"}}, "CRDMissing",
			"does not serve HTTPRoute and BackendTLSPolicy of gateway.networking.k8s.io/v1: install the Gateway API 1.4"},
		{"an old Gateway API", Route{Missing: []string{"BackendTLSPolicy"}}, "CRDMissing", "does not serve BackendTLSPolicy of"},
		{"not made yet", Route{Wanted: &gatewayv1.HTTPRoute{}}, "WaitingForAddress", "not made yet"},
		{"made without its policy", Route{Wanted: &gatewayv1.HTTPRoute{}, Live: &gatewayv1.HTTPRoute{}, WantsTLS: true}, "WaitingForAddress",
			"not made yet"},
		{"no implementation",
			routed(one), "WaitingForGateway", "Gateway gateways/public has not said yet whether it serves the HTTPRoute: see that"},
		{"served", routed(one, served), "", "Users by HTTPRoute chat-users of Gateway gateways/public at im.example.com, *.im.example.com"},
		{"served, by a reference without defaults", routed(one, status(bare, says(yes, yes, 2))), "", "of Gateway gateways/public"},
		{"served as it was", routed(one, status(public, says(yes, yes, 1))), "WaitingForGateway", "not said yet"},
		{"refused as it was", routed(one, status(public, says(no, yes, 1))), "WaitingForGateway", "not said yet"},
		{"refused", routed(one, status(public, says(no, yes, 2))), "RouteNotAccepted",
			"Gateway gateways/public does not accept the HTTPRoute: Because: of Accepted"},
		{"accepted, and not resolved", routed(one, status(public, says(yes, no, 2))), "RouteNotResolved",
			"Gateway gateways/public does not find what the HTTPRoute names: Because: of ResolvedRefs"},
		{"accepted, and nothing else said", routed(one, status(public, says(yes, "", 2))), "WaitingForGateway", "not said yet"},
		{"resolved, and not accepted yet", routed(one, status(public, says("", yes, 2))), "WaitingForGateway", "not said yet"},
		{"unknown", routed(one, status(public, says(metav1.ConditionUnknown, yes, 2))), "RouteNotAccepted", "does not accept"},
		{"served by one implementation, refused by the one before",
			routed(one, status(public, says(no, no, 2)), served), "", "at im.example.com"},
		{"another Gateway's word",
			routed(one, status(parentOf("other", "public", ""), says(yes, yes, 2))), "WaitingForGateway", "gateways/public"},
		{"the word of one of its listeners",
			routed(one, status(parentOf("gateways", "public", "http"), says(yes, yes, 2))), "WaitingForGateway", ""},
		{"the word of a Service", routed(one, status(gatewayv1.ParentReference{
			Kind: ptr.To(gatewayv1.Kind("Service")), Name: "public", Namespace: ptr.To(gatewayv1.Namespace("gateways")),
		}, says(yes, yes, 2))), "WaitingForGateway", ""},
		{"one of two Gateways",
			routed([]gatewayv1.ParentReference{public, own}, served), "WaitingForGateway", "Gateway im/own (listener https)"},
		{"both", routed([]gatewayv1.ParentReference{public, own}, served, status(explicit, says(yes, yes, 2))), "",
			"of Gateway gateways/public and Gateway im/own (listener https) at"},
		{"the first of two refused", routed([]gatewayv1.ParentReference{public, own}, status(public, says(no, yes, 2))), "RouteNotAccepted",
			"gateways/public"},
		{"a certificate that nobody checks", routed(one, served).withTLS(), "WaitingForGateway",
			"Gateway gateways/public has not said yet whether it serves the BackendTLSPolicy"},
		{"a certificate that is checked", routed(one, served).withTLS(says(yes, yes, 1)), "", "at im.example.com"},
		{"an authority that is not there", routed(one, served).withTLS(says(no, no, 1)), "RouteNotAccepted", "the BackendTLSPolicy: Because"},
		{"one authority of several that is not there",
			routed(one, served).withTLS(says(yes, no, 1)), "RouteNotResolved", "BackendTLSPolicy names"},
		{"a certificate that one of two Gateways does not check", both.withTLS(says(yes, yes, 1)).tlsOf(own, says(no, yes, 1)),
			"RouteNotAccepted", "Gateway im/own (listener https) does not accept the BackendTLSPolicy: Because"},
		{"a certificate that the first of two Gateways does not check", both.withTLS(says(no, yes, 1)).tlsOf(own, says(yes, yes, 1)),
			"RouteNotAccepted", "Gateway gateways/public does not accept the BackendTLSPolicy"},
		{"a certificate of which one of two Gateways knows nothing", both.withTLS(says(yes, yes, 1)), "WaitingForGateway",
			"Gateway im/own (listener https) has not said yet whether it serves the BackendTLSPolicy"},
		{"a certificate that both check", both.withTLS(says(yes, yes, 1)).tlsOf(explicit, says(yes, yes, 1)), "", "im/own (listener https) at"},
		{"a certificate that a Gateway checks for all of its listeners",
			both.withTLS(says(yes, yes, 1)).tlsOf(parentOf("im", "own", ""), says(yes, yes, 1)), "", "at im.example.com"},
		{"a certificate that a Gateway checks by one of its listeners",
			routed(one, served).withTLS().tlsOf(parentOf("gateways", "public", "http"), says(yes, yes, 1)), "", "at im.example.com"},
		{"a certificate that a Gateway checks for another of its listeners",
			both.withTLS(says(yes, yes, 1)).tlsOf(parentOf("", "own", "http"), says(yes, yes, 1)), "WaitingForGateway", "im/own"},
		{"a certificate of which Traefik speaks, with the Gateway's name and the policy's namespace", byTraefik(one, "im").
			tlsFrom(traefik, parentOf("im", "public", ""), says(yes, yes, 1)), "", "at im.example.com"},
		{"a certificate that Traefik refuses so", byTraefik(one, "im").tlsFrom(traefik, parentOf("im", "public", ""), says(no, no, 1)),
			"RouteNotAccepted", "Gateway gateways/public does not accept the BackendTLSPolicy"},
		{"such words of an implementation that does not serve the route", byTraefik(one, "im").
			tlsFrom("example.com/other", parentOf("im", "public", ""), says(yes, yes, 1)), "WaitingForGateway", "BackendTLSPolicy"},
		{"such words in a third namespace", byTraefik(one, "im").tlsFrom(traefik, parentOf("third", "public", ""), says(yes, yes, 1)),
			"WaitingForGateway", "BackendTLSPolicy"},
		{"such words about a Gateway that is a parent itself",
			byTraefik([]gatewayv1.ParentReference{public, parentOf("im", "public", "")}, "im").
				tlsFrom(traefik, parentOf("im", "public", ""), says(yes, yes, 1)), "WaitingForGateway",
			"Gateway gateways/public has not said yet whether it serves the BackendTLSPolicy"},
		{"a route that is refused, and its policy too",
			routed(one, status(public, says(no, yes, 2))).withTLS(says(no, no, 1)), "RouteNotAccepted",
			"accept the HTTPRoute"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			w := ByRoute(users, "chat-users", c.route)
			g.Expect(w.Reason).To(Equal(c.reason), w.String())
			g.Expect(w.String()).To(ContainSubstring(c.text))
			g.Expect(w.String()).To(HavePrefix("Users by HTTPRoute chat-users"))
		})
	}
}

// Whoever may write the status of a route chooses the text.
func TestWhatAnImplementationSaysIsOneShortLine(t *testing.T) {
	g := NewWithT(t)
	public := parentOf("gateways", "public", "")
	conditions := []metav1.Condition{{
		Type: "Accepted", Status: metav1.ConditionFalse, ObservedGeneration: 2, Reason: "No", Message: "a\x1b[2J\nb" + strings.Repeat("x", 1<<16),
	}}
	w := ByRoute(users, "chat-users", routed([]gatewayv1.ParentReference{public}, gatewayv1.RouteParentStatus{
		ParentRef: public, Conditions: conditions,
	}))
	g.Expect(w.Waiting).To(ContainSubstring("No: a [2J bxxx"))
	g.Expect(len(w.String())).To(BeNumerically("<", 600))
}
