package exposure

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Warning is about an exposure that works and that the user should check.
type Warning struct {
	// Reason is one of api/v1alpha1.
	Reason string
	// Text names the field, the effect and the remedy.
	Text string
}

// Peers are peers of the listeners that match no pod as the policies see pods, by the audit.
type Peers struct {
	// OnHostNetwork are fields whose peers select only pods on their nodes' network, and Nothing those that select no pod.
	OnHostNetwork, Nothing []string
}

// fieldClients and fieldAdmins are the fields that name the peers of the listeners.
const fieldClients, fieldAdmins = "spec.network.clients", "spec.network.admins"

// PeersIn returns the peers of which a message of the condition warns, as an earlier process of the operator wrote it.
func PeersIn(message string) Peers {
	find := func(warning func(fields []string) *Warning) []string {
		// Both before either: the text of one field is the end of the text of both.
		for _, fields := range [][]string{
			{fieldClients, fieldAdmins}, {fieldAdmins, fieldClients}, {fieldClients}, {fieldAdmins},
		} {
			if strings.Contains(message, warning(fields).Text) {
				return fields
			}
		}
		return nil
	}
	return Peers{
		OnHostNetwork: find(func(fields []string) *Warning { return peersOnHostNetwork(Peers{OnHostNetwork: fields}) }),
		Nothing:       find(func(fields []string) *Warning { return peersSelectNothing(Peers{Nothing: fields}) }),
	}
}

// ofExposed returns the peers of the listeners that a spec exposes: the audit judges those of all listeners.
func (p Peers) ofExposed(spec *v1alpha1.OpenIMStackSpec) Peers {
	unexposed := func(field string) bool {
		return !slices.ContainsFunc(spec.Wrapper.Gateway.Expose, func(e v1alpha1.Exposure) bool {
			of, _ := peersOf(spec.Network, e.Listener)
			return of == field
		})
	}
	return Peers{
		OnHostNetwork: slices.DeleteFunc(slices.Clone(p.OnHostNetwork), unexposed),
		Nothing:       slices.DeleteFunc(slices.Clone(p.Nothing), unexposed),
	}
}

// Warnings returns what is worth a warning in the exposures of a spec, the most harmful first.
func Warnings(spec *v1alpha1.OpenIMStackSpec, peers Peers) []Warning {
	if spec.Wrapper.Gateway == nil || len(spec.Wrapper.Gateway.Expose) == 0 {
		return nil
	}
	peers = peers.ofExposed(spec)
	var found []Warning
	for _, w := range []*Warning{
		clientAddressesHidden(spec), sourceHidden(spec), peersOnHostNetwork(peers), peersSelectNothing(peers), audienceNotExposed(spec),
	} {
		if w != nil {
			found = append(found, *w)
		}
	}
	return found
}

// clientAddressesHidden warns of a way through proxies that are not trusted. The limit of logins is by address: 2 calls a second, and a
// login takes two.
func clientAddressesHidden(spec *v1alpha1.OpenIMStackSpec) *Warning {
	users := spec.Wrapper.Auth.Users
	if users == nil || len(users.TrustedProxies) > 0 {
		return nil
	}
	for _, e := range spec.Wrapper.Gateway.Expose {
		if e.Listener == v1alpha1.ListenerUsers && (e.Ingress != nil || e.HTTPRoute != nil) {
			return &Warning{v1alpha1.ReasonClientAddressesHidden, "users come through a proxy that the gateway does not trust, so that all users " +
				"share the limits of the proxy's address, and all together log in about once a second: write the proxy's addresses to " +
				"spec.wrapper.auth.users.trustedProxies"}
		}
	}
	return nil
}

// sourceHidden warns of blocks of addresses that no longer mean clients, because nodes hand on with their own address.
func sourceHidden(spec *v1alpha1.OpenIMStackSpec) *Warning {
	for _, e := range spec.Wrapper.Gateway.Expose {
		if e.Service == nil || e.Service.ExternalTrafficPolicy != v1alpha1.TrafficCluster {
			continue
		}
		field, peers := peersOf(spec.Network, e.Listener)
		if slices.ContainsFunc(peers, func(p v1alpha1.Peer) bool { return p.IPBlock != nil }) {
			return &Warning{v1alpha1.ReasonSourceHidden, fmt.Sprintf("%s names addresses, and expose[%s].service has externalTrafficPolicy "+
				"Cluster, with which the source is the address of a node: write externalTrafficPolicy: Local, or the addresses of the nodes",
				field, e.Listener)}
		}
	}
	return nil
}

// peersOf returns the peers that may reach a listener, with their field. None: anyone may.
func peersOf(network *v1alpha1.Network, listener v1alpha1.Listener) (field string, peers []v1alpha1.Peer) {
	switch {
	case network == nil:
		return "", nil
	case listener == v1alpha1.ListenerAdmins && len(network.Admins) > 0:
		return fieldAdmins, network.Admins
	default:
		return fieldClients, network.Clients
	}
}

func peersOnHostNetwork(peers Peers) *Warning {
	if len(peers.OnHostNetwork) == 0 {
		return nil
	}
	return &Warning{v1alpha1.ReasonPeersOnHostNetwork, strings.Join(peers.OnHostNetwork, " and ") + " selects pods that are on their nodes' " +
		"network, where no selector matches them, so that they are not let in: write the addresses of the nodes, as ipBlock"}
}

func peersSelectNothing(peers Peers) *Warning {
	if len(peers.Nothing) == 0 {
		return nil
	}
	return &Warning{v1alpha1.ReasonPeersSelectNothing, strings.Join(peers.Nothing, " and ") + " selects no pod, so that nobody is let in by " +
		"it: write the labels of the pods that connect to the gateway, such as those of the Ingress controller"}
}

// audienceNotExposed warns when no way carries the host of the audience: clients refuse to log in by another name. A Service carries every
// host.
func audienceNotExposed(spec *v1alpha1.OpenIMStackSpec) *Warning {
	users := spec.Wrapper.Auth.Users
	if users == nil {
		return nil
	}
	audience, err := url.Parse(users.Audience)
	if err != nil {
		return nil // the schema and the gateway refuse it
	}
	host := strings.ToLower(audience.Hostname())
	for _, e := range spec.Wrapper.Gateway.Expose {
		if e.Listener != v1alpha1.ListenerUsers || e.Service != nil {
			continue
		}
		carried := e.Ingress != nil && slices.ContainsFunc(e.Ingress.Hosts, func(h v1alpha1.HostName) bool { return carries(string(h), host) }) ||
			e.HTTPRoute != nil && slices.ContainsFunc(e.HTTPRoute.Hostnames, func(h v1alpha1.HostName) bool { return routes(string(h), host) })
		if !carried {
			return &Warning{v1alpha1.ReasonAudienceNotExposed, fmt.Sprintf("no host of expose[Users] is %q, the host of "+
				"spec.wrapper.auth.users.audience, at which clients log in: add it, or correct the audience", clip(host))}
		}
	}
	return nil
}

// carries reports whether the host of a rule carries a name. A leading * stands for one label, as in an Ingress.
func carries(rule, name string) bool {
	suffix, wildcard := strings.CutPrefix(rule, "*")
	if !wildcard {
		return rule == name
	}
	label, rest, ok := strings.Cut(name, ".")
	return ok && label != "" && "."+rest == suffix
}

// routes reports whether a hostname of an HTTPRoute carries a name. A leading * stands for one label or more there.
func routes(hostname, name string) bool {
	suffix, wildcard := strings.CutPrefix(hostname, "*")
	if !wildcard {
		return hostname == name
	}
	return len(name) > len(suffix) && strings.HasSuffix(name, suffix)
}
