package exposure

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/oneline"
)

// Route is what is known of the objects of the Gateway API that lead to a listener.
type Route struct {
	// Missing are the kinds that the cluster does not serve. The objects are made when it serves all.
	Missing []string
	// Wanted is the route as the spec wants it.
	Wanted *gatewayv1.HTTPRoute
	// Live is the route as it is, nil while there is none.
	Live *gatewayv1.HTTPRoute
	// WantsTLS is true when the spec wants a BackendTLSPolicy, and TLS is the policy as it is, nil while there is none.
	WantsTLS bool
	TLS      *gatewayv1.BackendTLSPolicy
}

// maxSaid bounds the text of an implementation that a message repeats, in bytes.
const maxSaid = 256

// ByRoute returns the way by an HTTPRoute. It is open when each of its Gateways has accepted the route as it is now, resolved what the
// route names, and accepts the BackendTLSPolicy too.
func ByRoute(listener v1alpha1.Listener, name string, r Route) Way {
	w := Way{Listener: listener, Object: "HTTPRoute " + name}
	switch {
	case len(r.Missing) > 0:
		w.Reason, w.Waiting = v1alpha1.ReasonCRDMissing, fmt.Sprintf("the cluster does not serve %s of %s: install the Gateway API 1.4 or "+
			"later, or write ingress instead of httpRoute", strings.Join(r.Missing, " and "), gatewayv1.GroupVersion)
		return w
	case r.Live == nil || r.WantsTLS && r.TLS == nil:
		return w.waiting("it is not made yet")
	}
	var gateways []string
	for _, parent := range r.Wanted.Spec.ParentRefs {
		gateway := gatewayOf(parent, r.Live.Namespace)
		gateways = append(gateways, gateway)
		if w.Reason != "" {
			continue
		}
		statuses := ofParent(r.Live.Status.Parents, parent, r.Live.Namespace)
		w.Reason, w.Waiting = verdict("HTTPRoute", gateway, statuses, r.Live.Generation)
	}
	if w.Reason == "" && r.WantsTLS {
		w.Reason, w.Waiting = tlsVerdict(r.TLS, r.Wanted.Spec.ParentRefs, r.Live.Status.Parents)
	}
	if w.Reason != "" {
		return w
	}
	for _, host := range r.Wanted.Spec.Hostnames {
		w.Addresses = append(w.Addresses, string(host))
	}
	w.Object += " of " + strings.Join(gateways, " and ")
	return w
}

// gatewayOf names a parent in messages, for example Gateway gateways/public.
func gatewayOf(parent gatewayv1.ParentReference, namespace string) string {
	text := fmt.Sprintf("Gateway %s/%s", namespaceOf(parent, namespace), parent.Name)
	if parent.SectionName != nil {
		text += fmt.Sprintf(" (listener %s)", *parent.SectionName)
	}
	return text
}

func namespaceOf(parent gatewayv1.ParentReference, namespace string) string {
	if parent.Namespace != nil {
		return string(*parent.Namespace)
	}
	return namespace
}

// ofParent returns the conditions that implementations wrote for a parent. An implementation repeats the reference as it is in the spec, or
// with its defaults.
func ofParent(all []gatewayv1.RouteParentStatus, parent gatewayv1.ParentReference, namespace string) [][]metav1.Condition {
	var found [][]metav1.Condition
	for i := range all {
		said := all[i].ParentRef
		if sameGateway(said, parent, namespace) && reflect.DeepEqual(said.SectionName, parent.SectionName) && said.Port == nil {
			found = append(found, all[i].Conditions)
		}
	}
	return found
}

// ofAncestor returns the conditions that implementations wrote of a policy for a parent of the route. They may name the Gateway alone, or a
// listener of it. Traefik (v3.7.13) names the Gateway in the policy's own namespace, wherever the Gateway is. That counts for an
// implementation that serves the route for this parent, unless a parent of the route has this name in this namespace.
func ofAncestor(policy *gatewayv1.BackendTLSPolicy, parents []gatewayv1.ParentReference, i int, serving []gatewayv1.RouteParentStatus,
) [][]metav1.Condition {
	parent, namespace := parents[i], policy.Namespace
	here := parent
	here.Namespace = nil
	ambiguous := slices.ContainsFunc(parents, func(p gatewayv1.ParentReference) bool { return sameGateway(p, here, namespace) })
	var found [][]metav1.Condition
	for _, a := range policy.Status.Ancestors {
		other := a.AncestorRef.SectionName != nil && parent.SectionName != nil && *a.AncestorRef.SectionName != *parent.SectionName
		misplaced := !ambiguous && sameGateway(a.AncestorRef, here, namespace) && serves(serving, a.ControllerName, parent, namespace)
		if !other && (misplaced || sameGateway(a.AncestorRef, parent, namespace)) {
			found = append(found, a.Conditions)
		}
	}
	return found
}

// serves reports whether an implementation has written a status of the route for a parent.
func serves(all []gatewayv1.RouteParentStatus, name gatewayv1.GatewayController, parent gatewayv1.ParentReference, namespace string) bool {
	return slices.ContainsFunc(all, func(s gatewayv1.RouteParentStatus) bool {
		return s.ControllerName == name && sameGateway(s.ParentRef, parent, namespace)
	})
}

// sameGateway reports whether what an implementation says is about a parent, or about a listener of it.
func sameGateway(said, parent gatewayv1.ParentReference, namespace string) bool {
	return said.Name == parent.Name && namespaceOf(said, namespace) == namespaceOf(parent, namespace) &&
		(said.Kind == nil || *said.Kind == *parent.Kind) && (said.Group == nil || *said.Group == *parent.Group)
}

// verdict returns why an object is not served, "" when one implementation accepted it as it is now and resolved what it names. What was
// said of an earlier generation says nothing.
func verdict(object, by string, statuses [][]metav1.Condition, generation int64) (reason, text string) {
	reason = v1alpha1.ReasonWaitingForGateway
	text = fmt.Sprintf("%s has not said yet whether it serves the %s: see that the Gateway exists, and that an implementation of its "+
		"class runs", by, object)
	for _, conditions := range statuses {
		accepted := current(conditions, string(gatewayv1.RouteConditionAccepted), generation)
		resolved := current(conditions, string(gatewayv1.RouteConditionResolvedRefs), generation)
		switch {
		case accepted == nil:
		case accepted.Status != metav1.ConditionTrue:
			reason, text = v1alpha1.ReasonRouteNotAccepted, said(by+" does not accept the "+object, accepted)
		case resolved != nil && resolved.Status != metav1.ConditionTrue:
			reason, text = v1alpha1.ReasonRouteNotResolved, said(by+" does not find what the "+object+" names", resolved)
		case resolved == nil: // the Gateway API requires both
		default:
			return "", ""
		}
	}
	return reason, text
}

// tlsVerdict returns why one of the route's Gateways does not check the gateway's certificate as a BackendTLSPolicy says, "" when all do.
// An implementation that does not know the kind says nothing, and would speak plain HTTP.
func tlsVerdict(policy *gatewayv1.BackendTLSPolicy, parents []gatewayv1.ParentReference, serving []gatewayv1.RouteParentStatus,
) (reason, text string) {
	for i, parent := range parents {
		statuses := ofAncestor(policy, parents, i, serving)
		reason, text = verdict("BackendTLSPolicy", gatewayOf(parent, policy.Namespace), statuses, policy.Generation)
		if reason != "" {
			return reason, text
		}
	}
	return "", ""
}

// current returns a condition that is about the present generation.
func current(conditions []metav1.Condition, name string, generation int64) *metav1.Condition {
	if c := apimeta.FindStatusCondition(conditions, name); c != nil && c.ObservedGeneration == generation {
		return c
	}
	return nil
}

// said repeats what an implementation says. Whoever may write the status chooses the text, so that it is bounded, and one line.
func said(what string, c *metav1.Condition) string {
	return fmt.Sprintf("%s: %s: %s", what, oneline.Of(c.Reason, maxSaid), oneline.Of(c.Message, maxSaid))
}
