package evaluate

import (
	"net/netip"
	"slices"
)

// Outside divides all addresses, of both families, into classes that no policy can tell apart by its ipBlocks. Each lists its addresses as
// prefixes, the lowest first. They are all addresses: those of pods and nodes of the cluster are among them.
func (e *Evaluator) Outside() []*Class {
	var classes []*Class
	byKey := map[string]*Class{}
	for _, part := range parts(e.prefixes()) {
		p := e.place(End{Address: part.Addr()})
		key := string(e.key(nil, &p))
		c, known := byKey[key]
		if !known {
			c = &Class{place: p}
			byKey[key] = c
			classes = append(classes, c)
		}
		c.Prefixes = append(c.Prefixes, part)
	}
	return classes
}

// prefixes are all that policies name, excepted ones among them.
func (e *Evaluator) prefixes() []netip.Prefix {
	var all []netip.Prefix
	for _, b := range e.blocks {
		all = append(append(all, b.prefix), b.except...)
	}
	return all
}

// parts divides both address spaces into prefixes that lie wholly inside or wholly outside of each of the given ones.
func parts(named []netip.Prefix) []netip.Prefix {
	var found []netip.Prefix
	for _, all := range []netip.Prefix{netip.PrefixFrom(netip.IPv4Unspecified(), 0), netip.PrefixFrom(netip.IPv6Unspecified(), 0)} {
		found = divide(found, all, slices.DeleteFunc(slices.Clone(named), func(p netip.Prefix) bool { return !p.Overlaps(all) }))
	}
	return found
}

// divide halves a prefix for as long as one of the named ones is narrower.
func divide(found []netip.Prefix, whole netip.Prefix, named []netip.Prefix) []netip.Prefix {
	narrower := slices.DeleteFunc(slices.Clone(named), func(p netip.Prefix) bool { return !p.Overlaps(whole) || p.Bits() <= whole.Bits() })
	if len(narrower) == 0 {
		return append(found, whole)
	}
	low, high := halves(whole)
	return divide(divide(found, low, narrower), high, narrower)
}

func halves(p netip.Prefix) (low, high netip.Prefix) {
	bits := p.Bits()
	raw := p.Addr().AsSlice()
	raw[bits/8] |= 0x80 >> (bits % 8)
	upper, _ := netip.AddrFromSlice(raw)
	return netip.PrefixFrom(p.Addr(), bits+1), netip.PrefixFrom(upper, bits+1)
}
