package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// netnsFile is the file of the node's network namespace, as ip(8) names it.
const (
	netnsFolder = "/run/netns"
	netnsFile   = netnsFolder + "/" + Name
)

// inNode prefixes a command so that it runs in the node's network namespace. Not `ip netns exec`, which
// mounts a new /sys and so hides the cgroups.
func inNode(command ...string) []string {
	return append([]string{"nsenter", "--net=" + netnsFile, "--"}, command...)
}

// makeNetwork creates the namespace, the pair of links between the namespace and the host, and the bridge of the pods.
func makeNetwork(ctx context.Context) error {
	for _, line := range networkCommands() {
		if _, err := run(ctx, nil, line[0], line[1:]...); err != nil {
			return err
		}
	}
	return nil
}

func networkCommands() [][]string {
	outside := strings.Fields
	node := func(line string) []string { return inNode(strings.Fields(line)...) }
	return [][]string{
		outside("ip netns add " + Name),
		node("ip link set lo up"),
		outside(fmt.Sprintf("ip link add %s type veth peer name %s netns %s", hostLink, nodeLink, Name)),
		outside(fmt.Sprintf("ip address add %s dev %s", hostCIDR, hostLink)),
		outside(fmt.Sprintf("ip link set %s up", hostLink)),
		node(fmt.Sprintf("ip address add %s dev %s", joinCIDR, nodeLink)),
		node(fmt.Sprintf("ip link set %s up", nodeLink)),
		node(fmt.Sprintf("ip link add %s type bridge", bridge)),
		node(fmt.Sprintf("ip address add %s/24 dev %s", nodeIP, bridge)),
		node(fmt.Sprintf("ip link set %s up", bridge)),
		// Programs of the node reach services, too: the packet needs a route before kube-proxy's rules turn it.
		node(fmt.Sprintf("ip route add %s dev %s src %s", serviceCIDR, bridge, nodeIP)),
		inNode("/bin/sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward"),
		inNode("/bin/sh", "-c", "echo 1 >/proc/sys/net/ipv4/conf/all/route_localnet"),
	}
}

// removeNetwork removes the host's link and the namespace. Missing objects are not an error.
func (n *Node) removeNetwork(ctx context.Context) error {
	var failed []error
	if _, err := os.Stat("/sys/class/net/" + hostLink); err == nil {
		_, err := run(ctx, nil, "ip", "link", "delete", hostLink)
		failed = append(failed, err)
	}
	if _, err := os.Stat(netnsFile); err == nil {
		_, err := run(ctx, nil, "ip", "netns", "delete", Name)
		failed = append(failed, err)
	}
	before, err := host.Load(n.paths.Before())
	if err == nil && before != nil && !slices.Contains(before[host.KindPath], netnsFolder) {
		// ip(8) created the folder and mounted it upon itself. It stays if another program uses it now.
		if empty(netnsFolder) {
			_ = syscall.Unmount(netnsFolder, syscall.MNT_DETACH)
			failed = append(failed, os.Remove(netnsFolder))
		}
	}
	return errors.Join(failed...)
}

func empty(folder string) bool {
	entries, err := os.ReadDir(folder)
	return err == nil && len(entries) == 0
}
