package exposure

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Way is an object by which clients outside the cluster reach a listener.
type Way struct {
	Listener v1alpha1.Listener
	// Object is the kind and name, for example Ingress chat-users.
	Object string
	// Addresses that the way has been given, sorted.
	Addresses []string
	// Reason for which the way is not open, one of api/v1alpha1, and what it waits for. Empty when it is open.
	Reason, Waiting string
}

// maxAddresses bounds the addresses of a way that a message names. A Service of a large cluster may have one for each node.
const maxAddresses = 4

// String names the listener, the object and its addresses, or what the way waits for.
func (w Way) String() string {
	text := string(w.Listener) + " by " + w.Object
	if w.Reason != "" {
		return text + ": " + w.Waiting
	}
	if len(w.Addresses) == 0 {
		return text
	}
	text += " at " + strings.Join(w.Addresses[:min(len(w.Addresses), maxAddresses)], ", ")
	if more := len(w.Addresses) - maxAddresses; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// waiting returns the way without an address, with what it waits for.
func (w Way) waiting(text string) Way {
	w.Reason, w.Waiting = v1alpha1.ReasonWaitingForAddress, text
	return w
}

// ByService returns the way by a Service, which is nil while it does not exist.
func ByService(listener v1alpha1.Listener, name string, service *corev1.Service) Way {
	w := Way{Listener: listener, Object: "Service " + name}
	switch {
	case service == nil:
		return w.waiting("it is not made yet")
	case service.Spec.Type == corev1.ServiceTypeNodePort:
		nodes := "every node"
		if service.Spec.ExternalTrafficPolicy == corev1.ServiceExternalTrafficPolicyLocal {
			nodes = "each node that has a pod of the gateway" // the others do not answer
		}
		for _, p := range service.Spec.Ports {
			w.Addresses = append(w.Addresses, fmt.Sprintf("port %d of %s", p.NodePort, nodes))
		}
		return w
	}
	for _, in := range service.Status.LoadBalancer.Ingress {
		w.Addresses = appendAddress(w.Addresses, in.IP, in.Hostname)
	}
	if len(w.Addresses) == 0 {
		return w.waiting("it has no address yet: wait for its load balancer, and see the Service's events; " +
			"a cluster without an implementation of load balancers never gives one")
	}
	slices.Sort(w.Addresses)
	return w
}

// ByIngress returns the way by an Ingress, which is nil while it does not exist.
func ByIngress(listener v1alpha1.Listener, name string, ingress *networkingv1.Ingress) Way {
	w := Way{Listener: listener, Object: "Ingress " + name}
	if ingress == nil {
		return w.waiting("it is not made yet")
	}
	for _, in := range ingress.Status.LoadBalancer.Ingress {
		w.Addresses = appendAddress(w.Addresses, in.IP, in.Hostname)
	}
	if len(w.Addresses) == 0 {
		return w.waiting("it has no address yet: see that a controller serves the class of the Ingress, and " +
			"writes its address")
	}
	slices.Sort(w.Addresses)
	return w
}

// appendAddress adds an address or a name. Whoever may write a status chooses the text, so that it is bounded, and one line.
func appendAddress(all []string, ip, host string) []string {
	text := ip
	if text == "" {
		text = host
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, text)
	if text == "" || slices.Contains(all, text) {
		return all
	}
	return append(all, text[:min(len(text), 253)])
}
