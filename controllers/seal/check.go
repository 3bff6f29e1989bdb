package seal

import (
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/openim"
)

// Bounds of a revision's data. The CRD and the resolver permit less of each.
const (
	maxBytes     = 512 << 10
	maxPlaces    = 128
	maxEndpoints = 64
	maxPeers     = 512
	maxAddress   = 512
)

// check reports the first part of a record that the operator would never write.
func (r Record) check() error {
	var seen []openim.Party
	for _, p := range r.Parties {
		if !slices.Contains(openim.Parties(), p.Name) || slices.Contains(seen, p.Name) {
			return fmt.Errorf("party %q is unknown or occurs twice", cut(string(p.Name)))
		}
		seen = append(seen, p.Name)
		if len(p.Places) > maxPlaces || len(p.Retained) > maxRetained || len(p.Source) > maxAddress {
			return fmt.Errorf("party %q has too many places", p.Name)
		}
		for _, place := range slices.Concat(p.Places, p.Retained) {
			if err := place.check(); err != nil {
				return fmt.Errorf("party %q: %w", p.Name, err)
			}
		}
	}
	return nil
}

func (p Place) check() error {
	if p.Address == "" || len(p.Address) > maxAddress || len(p.Endpoints) == 0 || len(p.Endpoints) > maxEndpoints {
		return fmt.Errorf("place %q has no endpoints, or too many", cut(p.Address))
	}
	for _, e := range p.Endpoints {
		if e.Port < 1 || e.Port > 65535 || len(e.Peers) == 0 || len(e.Peers) > maxPeers {
			return fmt.Errorf("place %q has an endpoint without peers, with too many, or with an invalid port", p.Address)
		}
		if slices.ContainsFunc(e.Peers, invalidPeer) {
			return fmt.Errorf("place %q has a peer that selects nothing in particular", p.Address)
		}
	}
	return nil
}

// invalidPeer reports whether a peer has neither a selector nor a valid block of addresses, or both.
func invalidPeer(p networkingv1.NetworkPolicyPeer) bool {
	if p.IPBlock == nil {
		return p.PodSelector == nil && p.NamespaceSelector == nil
	}
	_, err := netip.ParsePrefix(p.IPBlock.CIDR)
	return err != nil || p.PodSelector != nil || p.NamespaceSelector != nil
}

// cut shortens text of a revision for a message.
func cut(text string) string { return text[:min(len(text), 64)] }
