package evaluate

import (
	"fmt"
	"net/netip"
	"slices"

	networkingv1 "k8s.io/api/networking/v1"
	netutils "k8s.io/utils/net"
)

// family is IPv4 or IPv6, as an index.
type family int

const (
	ipv4 family = iota
	ipv6
	familyCount
)

// families is a set of address families.
type families uint8

const allFamilies families = 1<<familyCount - 1

func only(f family) families { return 1 << f }

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return ipv4
	}
	return ipv6
}

// block is a compiled ipBlock.
type block struct {
	prefix netip.Prefix
	except []netip.Prefix
}

func (b block) family() family { return familyOf(b.prefix.Addr()) }

// everything reports whether the block is 0.0.0.0/0 or ::/0, with or without exceptions. An unknown address is only in such blocks.
func (b block) everything() bool { return b.prefix.Bits() == 0 }

func (b block) contains(a netip.Addr) bool {
	return b.prefix.Contains(a) && !slices.ContainsFunc(b.except, func(p netip.Prefix) bool { return p.Contains(a) })
}

func (b block) String() string {
	if len(b.except) == 0 {
		return b.prefix.String()
	}
	return fmt.Sprintf("%s except %v", b.prefix, b.except)
}

func compileBlock(ip *networkingv1.IPBlock) (block, error) {
	prefix, err := parsePrefix(ip.CIDR)
	if err != nil {
		return block{}, fmt.Errorf("ipBlock: %w", err)
	}
	b := block{prefix: prefix}
	for _, text := range ip.Except {
		except, err := parsePrefix(text)
		if err != nil {
			return block{}, fmt.Errorf("except: %w", err)
		}
		if except.Bits() <= prefix.Bits() || !prefix.Contains(except.Addr()) {
			return block{}, fmt.Errorf("except: %q is not a part of %q", text, ip.CIDR)
		}
		b.except = append(b.except, except)
	}
	return b, nil
}

// parsePrefix reads a CIDR as the API server accepts it, including octets with leading zeros in old objects. An IPv4-mapped IPv6
// address becomes an IPv4 address.
func parsePrefix(text string) (netip.Prefix, error) {
	_, network, err := netutils.ParseCIDRSloppy(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a block of addresses: write it like 192.0.2.0/24 or 2001:db8::/32", text)
	}
	ones, _ := network.Mask.Size()
	addr, _ := netip.AddrFromSlice(network.IP)
	const mapped = 96 // RFC 4291, 2.5.5.2
	if addr.Is4In6() && ones >= mapped {
		addr, ones = addr.Unmap(), ones-mapped
	}
	return addr.Prefix(ones)
}
