package evaluate

import (
	"cmp"
	"net/netip"
	"slices"
)

// AddressClasses divides the complete IPv4 and IPv6 address space into classes that no ipBlock distinguishes. Each class lists its
// prefixes in ascending order. The addresses of the cluster's pods and nodes are included.
func (e *Evaluator) AddressClasses() []*Class {
	named := e.prefixes()
	s := addressSpace{evaluator: e, byKey: map[string]*Class{}}
	for _, all := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		s.divide(all, slices.DeleteFunc(slices.Clone(named), func(p netip.Prefix) bool { return !p.Overlaps(all) }), &region{})
	}
	return s.classes
}

// prefixes returns all prefixes in policies, including exceptions, each once, in ascending order. A prefix precedes those inside of it.
func (e *Evaluator) prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, b := range e.blocks {
		all = append(append(all, b.prefix), b.except...)
	}
	slices.SortFunc(all, func(a, b netip.Prefix) int {
		return cmp.Or(a.Addr().Compare(b.Addr()), cmp.Compare(a.Bits(), b.Bits()))
	})
	return slices.Compact(all)
}

type addressSpace struct {
	evaluator *Evaluator
	classes   []*Class
	byKey     map[string]*Class
}

// region is a set of addresses that are in the same of the given prefixes.
type region struct{ class *Class }

// divide halves a prefix as long as other prefixes are inside of it. inside has the order of prefixes.
func (s *addressSpace) divide(whole netip.Prefix, inside []netip.Prefix, r *region) {
	if len(inside) > 0 && inside[0] == whole {
		inside, r = inside[1:], &region{}
	}
	if len(inside) == 0 {
		s.add(whole, r)
		return
	}
	low, high := halves(whole)
	i, _ := slices.BinarySearchFunc(inside, high.Addr(), func(p netip.Prefix, a netip.Addr) int { return p.Addr().Compare(a) })
	s.divide(low, inside[:i], r)
	s.divide(high, inside[i:], r)
}

// add adds a prefix to its class. All prefixes of a region match the same blocks, so only the first is compared with the blocks.
func (s *addressSpace) add(part netip.Prefix, r *region) {
	if r.class == nil {
		p := s.evaluator.matchEnd(End{Address: part.Addr()})
		key := string(s.evaluator.key(nil, &p))
		if s.byKey[key] == nil {
			s.byKey[key] = &Class{matchedEnd: p}
			s.classes = append(s.classes, s.byKey[key])
		}
		r.class = s.byKey[key]
	}
	r.class.Prefixes = append(r.class.Prefixes, part)
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits()
	raw := p.Addr().AsSlice()
	raw[bits/8] |= 0x80 >> (bits % 8)
	upper, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(p.Addr(), bits+1), netip.PrefixFrom(upper, bits+1)
}
