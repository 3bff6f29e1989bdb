package dependencies

import (
	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// webhookSteps place the service of the webhooks, for each process that calls a hook of the spec.
func (r *resolver) webhookSteps() []step {
	var steps []step
	for _, process := range openim.HookCallers() {
		if len(openim.HooksOf(process, r.stack.Spec.Webhooks)) > 0 {
			steps = append(steps, step{[]string{string(process)}, func() error { return r.webhooks(process) }})
		}
	}
	return steps
}

func (r *resolver) webhooks(process openim.Name) error {
	const peersField = "spec.webhooks.peers"
	spec := *r.stack.Spec.Webhooks
	field, text := "spec.webhooks.url", openim.WebhookURL(spec, r.stack.Namespace)
	if spec.ServiceRef != nil {
		field = "spec.webhooks.serviceRef"
	}
	given := peers{spec.Peers, spec.PeerPort}
	at := openim.Location{Party: openim.PartyWebhooks(process), Peers: openim.NetworkPeers(r.stack.Namespace, spec.Peers)}
	if host := unnameable(text, r.stack.Namespace); host != "" && len(spec.Peers) == 0 {
		if !r.hasExtraEgress(process) {
			r.invalid(v1alpha1.ReasonPeersNeeded, peersField, "a NetworkPolicy cannot name the host %q: write its addresses, or the pods of a "+
				"proxy, to webhooks.peers, or to an entry of network.extraEgress that names each process with a hook", host)
		}
		r.facts.Locations = append(r.facts.Locations, at)
		return nil
	}
	address, err := r.placeURL(field, peersField, text, given)
	if address != nil {
		at.Addresses = append(at.Addresses, *address)
		if r.facts.Webhooks == nil {
			r.facts.Webhooks = map[openim.Name][]openim.Endpoint{}
		}
		r.facts.Webhooks[process] = address.Endpoints
	}
	r.facts.Locations = append(r.facts.Locations, at)
	return err
}
