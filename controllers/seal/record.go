package seal

import (
	"reflect"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/openim"
)

// maxRetained bounds the earlier places of one party. A party with more loses the oldest ones.
const maxRetained = 32

// Place is an address and the endpoints to which it resolved last.
type Place struct {
	Address   string            `json:"address"`
	Endpoints []openim.Endpoint `json:"endpoints"`
}

// Party holds the places of one party.
type Party struct {
	Name openim.Party `json:"name"`
	// Source names the Secret or the object that held the addresses. Empty when they were in the spec.
	Source string `json:"source,omitempty"`
	// Places of the newest spec. An address that never resolved is not among them.
	Places []Place `json:"places,omitempty"`
	// Retained are places of earlier specs that pods may still use, the latest first.
	Retained []Place `json:"retained,omitempty"`
}

// Record holds the places of all parties, in the order of openim.Parties. Records are compared by their content; none is ever changed.
type Record struct {
	Parties []Party `json:"parties"`
}

// Next returns the record that follows known when the spec has these locations. A party that the spec no longer names retains its places.
func Next(known Record, locations []openim.Location) Record {
	var next Record
	for _, name := range openim.Parties() {
		was := known.party(name)
		i := slices.IndexFunc(locations, func(l openim.Location) bool { return l.Party == name })
		location := openim.Location{Party: name}
		if i >= 0 {
			location = locations[i]
		}
		if now := was.follow(location); len(now.Places)+len(now.Retained) > 0 {
			next.Parties = append(next.Parties, now)
		}
	}
	return next
}

// follow returns the party at its newest location.
func (p Party) follow(l openim.Location) Party {
	earlier := slices.Concat(p.Places, p.Retained)
	now := Party{Name: l.Party, Source: l.Source}
	if l.Unknown && l.Source == p.Source {
		for _, place := range p.Places {
			now.Places = append(now.Places, place.limitedTo(l.Peers))
		}
	}
	for _, address := range l.Addresses {
		if address.Resolved {
			now.add(Place{address.Text, address.Endpoints})
		} else if i := indexOf(earlier, address.Text); i >= 0 {
			now.add(earlier[i].limitedTo(address.Peers))
		}
	}
	for _, place := range earlier {
		if indexOf(now.Places, place.Address) < 0 && indexOf(now.Retained, place.Address) < 0 && len(now.Retained) < maxRetained {
			now.Retained = append(now.Retained, place)
		}
	}
	return now
}

// add adds a place. Two issuers may have one address with different peers: their endpoints become one place.
func (p *Party) add(place Place) {
	if len(place.Endpoints) == 0 {
		return
	}
	i := indexOf(p.Places, place.Address)
	if i < 0 {
		p.Places = append(p.Places, place)
		return
	}
	p.Places[i].Endpoints = union(p.Places[i].Endpoints, place.Endpoints)
}

// limitedTo returns the place with the peers that the spec names now: peers never need to be resolved, so narrower ones count at once.
func (p Place) limitedTo(peers []networkingv1.NetworkPolicyPeer) Place {
	if len(peers) == 0 {
		return p
	}
	limited := Place{Address: p.Address}
	for _, e := range p.Endpoints {
		limited.Endpoints = union(limited.Endpoints, []openim.Endpoint{{Peers: peers, Port: e.Port}})
	}
	return limited
}

// Retains reports whether the record holds earlier places.
func (r Record) Retains() bool {
	return slices.ContainsFunc(r.Parties, func(p Party) bool { return len(p.Retained) > 0 })
}

// Release returns the record without its earlier places: no pod uses them any longer.
func (r Record) Release() Record {
	var released Record
	for _, p := range r.Parties {
		if p.Retained = nil; len(p.Places) > 0 {
			released.Parties = append(released.Parties, p)
		}
	}
	return released
}

// Endpoints returns all endpoints of a party, those of the newest spec first.
func (r Record) Endpoints(name openim.Party) []openim.Endpoint {
	var all []openim.Endpoint
	p := r.party(name)
	for _, place := range slices.Concat(p.Places, p.Retained) {
		all = union(all, place.Endpoints)
	}
	return all
}

func (r Record) party(name openim.Party) Party {
	i := slices.IndexFunc(r.Parties, func(p Party) bool { return p.Name == name })
	if i < 0 {
		return Party{Name: name}
	}
	return r.Parties[i]
}

func indexOf(places []Place, address string) int {
	return slices.IndexFunc(places, func(p Place) bool { return p.Address == address })
}

// union returns the endpoints of both lists, each once.
func union(a, b []openim.Endpoint) []openim.Endpoint {
	all := slices.Clone(a)
	for _, e := range b {
		if !slices.ContainsFunc(all, func(known openim.Endpoint) bool { return reflect.DeepEqual(known, e) }) {
			all = append(all, e)
		}
	}
	return all
}
