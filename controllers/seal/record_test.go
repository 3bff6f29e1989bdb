package seal_test

import (
	"fmt"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	"pgregory.net/rapid"

	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/openim"
)

// endpoint returns an endpoint of one address.
func endpoint(n int) openim.Endpoint {
	block := &networkingv1.IPBlock{CIDR: fmt.Sprintf("10.0.0.%d/32", n)}
	return openim.Endpoint{Peers: []networkingv1.NetworkPolicyPeer{{IPBlock: block}}, Port: 6379}
}

// redis returns the location of OpenIM's Redis at addresses of the form host:number. A host that ends in "?" does not resolve.
func redis(addresses ...string) []openim.Location {
	at := openim.Location{Party: openim.PartyRedis}
	for _, text := range addresses {
		var number int
		var host, rest string
		if _, err := fmt.Sscanf(text, "%1s%d%s", &host, &number, &rest); err != nil && number == 0 {
			panic(err)
		}
		address := openim.Address{Text: fmt.Sprintf("%s%d", host, number), Resolved: rest == ""}
		if address.Resolved {
			address.Endpoints = []openim.Endpoint{endpoint(number)}
		}
		at.Addresses = append(at.Addresses, address)
	}
	return []openim.Location{at}
}

func TestPlacesFollowTheSpecAndOldPodsKeepTheirs(t *testing.T) {
	a, b := endpoint(1), endpoint(2)
	cases := []struct {
		name  string
		specs [][]openim.Location
		open  []openim.Endpoint
		// settled are the endpoints that are left once no old pod runs.
		settled []openim.Endpoint
	}{
		{"nothing was ever known", [][]openim.Location{redis("r1?")}, nil, nil},
		{"resolved", [][]openim.Location{redis("r1")}, []openim.Endpoint{a}, []openim.Endpoint{a}},
		{"its Service is gone", [][]openim.Location{redis("r1"), redis("r1?")}, []openim.Endpoint{a}, []openim.Endpoint{a}},
		{"moved", [][]openim.Location{redis("r1"), redis("r2")}, []openim.Endpoint{b, a}, []openim.Endpoint{b}},
		{"a wrong address that does not resolve", [][]openim.Location{redis("r1"), redis("r2?")}, []openim.Endpoint{a}, nil},
		{"a wrong address, and back", [][]openim.Location{redis("r1"), redis("r2"), redis("r1")}, []openim.Endpoint{a, b}, []openim.Endpoint{a}},
		{"back, while the Service is gone", [][]openim.Location{redis("r1"), redis("r2"), redis("r1?")}, []openim.Endpoint{a, b},
			[]openim.Endpoint{a}},
		{"one address more", [][]openim.Location{redis("r1"), redis("r1", "r2?")}, []openim.Endpoint{a}, []openim.Endpoint{a}},
		{"no longer named", [][]openim.Location{redis("r1"), nil}, []openim.Endpoint{a}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var record seal.Record
			for _, spec := range c.specs {
				record = seal.Next(record, spec)
			}
			g := NewWithT(t)
			g.Expect(record.Endpoints(openim.PartyRedis)).To(Equal(c.open))
			g.Expect(record.Release().Endpoints(openim.PartyRedis)).To(Equal(c.settled))
			g.Expect(record.Release().Retains()).To(BeFalse())
		})
	}
}

// A Service that moves under the same address takes its old place away at once: pods of all templates reach the new one.
func TestTheSameAddressHasOnePlace(t *testing.T) {
	moved := redis("r1")
	moved[0].Addresses[0].Endpoints = []openim.Endpoint{endpoint(9)}
	record := seal.Next(seal.Next(seal.Record{}, redis("r1")), moved)
	NewWithT(t).Expect(record.Endpoints(openim.PartyRedis)).To(ConsistOf(endpoint(9)))
}

func TestNarrowerPeersCountAtOnceAlthoughTheServiceIsGone(t *testing.T) {
	narrow := redis("r1?")
	narrow[0].Addresses[0].Peers = endpoint(7).Peers
	record := seal.Next(seal.Next(seal.Record{}, redis("r1")), narrow)
	NewWithT(t).Expect(record.Endpoints(openim.PartyRedis)).To(ConsistOf(endpoint(7)))
}

func TestTheAddressesOfALostConnectionStringStay(t *testing.T) {
	g := NewWithT(t)
	known := []openim.Location{{Party: openim.PartyMongoDB, Source: "mongo/uri", Addresses: redis("r1")[0].Addresses}}
	lost := []openim.Location{{Party: openim.PartyMongoDB, Source: "mongo/uri", Unknown: true}}
	other := []openim.Location{{Party: openim.PartyMongoDB, Source: "another/uri", Unknown: true}}
	record := seal.Next(seal.Next(seal.Record{}, known), lost)
	g.Expect(record.Endpoints(openim.PartyMongoDB)).To(ConsistOf(endpoint(1)))
	g.Expect(record.Retains()).To(BeFalse())
	g.Expect(seal.Next(record, other).Release().Endpoints(openim.PartyMongoDB)).To(BeEmpty())
}

// Whatever the specs were: a record opens nothing that no spec resolved to, and it opens everything that the newest spec resolves to and
// all that it opened before under another address, up to the bound.
func TestARecordIsTheUnionOfWhatWasKnownAndNoMore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var record seal.Record
		var resolved []openim.Endpoint
		for range rapid.IntRange(1, 12).Draw(t, "specs") {
			at := openim.Location{Party: openim.PartyRedis}
			for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 6), 0, 3, rapid.ID).Draw(t, "addresses") {
				address := openim.Address{Text: fmt.Sprint("r", n), Resolved: rapid.Bool().Draw(t, "resolved")}
				if address.Resolved {
					e := endpoint(n*10 + rapid.IntRange(0, 2).Draw(t, "pods"))
					address.Endpoints, resolved = []openim.Endpoint{e}, append(resolved, e)
				}
				at.Addresses = append(at.Addresses, address)
			}
			before := record
			record = seal.Next(record, []openim.Location{at})
			now := record.Endpoints(openim.PartyRedis)
			for _, e := range now {
				if !contains(resolved, e) {
					t.Fatalf("wider than everything that was ever resolved: %v", e)
				}
			}
			for _, address := range at.Addresses {
				if address.Resolved && !contains(now, address.Endpoints[0]) {
					t.Fatalf("the newest place of %s is shut", address.Text)
				}
			}
			for _, party := range before.Parties {
				for _, place := range slices.Concat(party.Places, party.Retained) {
					i := slices.IndexFunc(at.Addresses, func(a openim.Address) bool { return a.Text == place.Address })
					replaced := i >= 0 && at.Addresses[i].Resolved
					if !replaced && !contains(now, place.Endpoints[0]) {
						t.Fatalf("%s was taken from the pods that may use it", place.Address)
					}
				}
			}
			if rapid.Bool().Draw(t, "settled") {
				narrower := record.Release().Endpoints(openim.PartyRedis)
				for _, e := range narrower {
					if !contains(now, e) {
						t.Fatalf("giving up places opened %v", e)
					}
				}
				record = record.Release()
			}
		}
	})
}

func contains(all []openim.Endpoint, e openim.Endpoint) bool {
	return slices.ContainsFunc(all, func(known openim.Endpoint) bool {
		return known.Port == e.Port && known.Peers[0].IPBlock.CIDR == e.Peers[0].IPBlock.CIDR
	})
}
