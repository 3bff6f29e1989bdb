package evaluatetest

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"pgregory.net/rapid"
	"sigs.k8s.io/yaml"
)

// Cluster is a random cluster.
type Cluster struct {
	Namespaces []corev1.Namespace
	Pods       []corev1.Pod
	Policies   []networkingv1.NetworkPolicy
	// Outside are addresses that belong to no pod.
	Outside []netip.Addr
	// Ports are ports for which a test evaluates connections.
	Ports []Port
}

// Port is a port for which a test evaluates connections.
type Port struct {
	Port     int32
	Protocol corev1.Protocol
}

// Options of Clusters.
type Options struct {
	// Odd adds pods on their node's network, finished pods, and pods without a known node or address.
	Odd bool
	// MaxPods and MaxPolicies bound a cluster. Zero means 6 and 5.
	MaxPods, MaxPolicies int
}

// The values from which clusters are drawn.
var (
	namespaces = []string{"im", "infra", "default", "other"}
	keys       = []string{"app", "tier", "role"}
	values     = []string{"a", "b", ""}
	portNames  = []string{"http", "dns", "metrics"}
	numbers    = []int32{53, 80, 81, 82, 443, 8080}
	protocols  = []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP}
	nodes      = []string{"node-0", "node-1"}
)

// Clusters draws clusters.
func Clusters(o Options) *rapid.Generator[Cluster] {
	if o.MaxPods == 0 {
		o.MaxPods = 6
	}
	if o.MaxPolicies == 0 {
		o.MaxPolicies = 5
	}
	return rapid.Custom(func(t *rapid.T) Cluster {
		var c Cluster
		for _, name := range namespaces[:rapid.IntRange(1, len(namespaces)).Draw(t, "namespaces")] {
			set := labels(t)
			set[corev1.LabelMetadataName] = name
			c.Namespaces = append(c.Namespaces, corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: set}})
		}
		for i := range rapid.IntRange(1, o.MaxPods).Draw(t, "pods") {
			c.Pods = append(c.Pods, pod(t, i, c.Namespaces, o.Odd))
		}
		for i := range rapid.IntRange(0, o.MaxPolicies).Draw(t, "policies") {
			c.Policies = append(c.Policies, Policy(t, fmt.Sprintf("policy-%d", i), namespace(t, c.Namespaces)))
		}
		for range rapid.IntRange(0, 2).Draw(t, "outside") {
			c.Outside = append(c.Outside, address(t, 1))
		}
		for range rapid.IntRange(1, 3).Draw(t, "probes") {
			c.Ports = append(c.Ports, Port{Port: sample(t, "port", numbers), Protocol: sample(t, "protocol", protocols)})
		}
		return c
	})
}

func sample[T any](t *rapid.T, label string, from []T) T {
	return rapid.SampledFrom(from).Draw(t, label)
}

func chance(t *rapid.T, label string, oneIn int) bool {
	return rapid.IntRange(0, oneIn-1).Draw(t, label) == oneIn-1
}

func namespace(t *rapid.T, all []corev1.Namespace) string { return sample(t, "namespace", all).Name }

func labels(t *rapid.T) map[string]string {
	set := map[string]string{}
	for _, key := range keys {
		// 0: no such label.
		if i := rapid.IntRange(0, len(values)).Draw(t, key); i > 0 {
			set[key] = values[i-1]
		}
	}
	return set
}

// address draws one of the few hosts of a network: 0 for pods, 1 for addresses outside.
func address(t *rapid.T, network byte) netip.Addr {
	host := byte(rapid.IntRange(1, 14).Draw(t, "host")) //nolint:gosec // 1 to 14
	if chance(t, "v6", 3) {
		return netip.AddrFrom16([16]byte{0xfd, 0, 14: network, 15: host})
	}
	return netip.AddrFrom4([4]byte{10, 0, network, host})
}

func pod(t *rapid.T, i int, all []corev1.Namespace, odd bool) corev1.Pod {
	p := corev1.Pod{ObjectMeta: metav1.ObjectMeta{
		Name: fmt.Sprintf("pod-%d", i), Namespace: namespace(t, all), Labels: labels(t), UID: types.UID(fmt.Sprintf("uid-%d", i)),
	}}
	p.Spec.NodeName = sample(t, "node", nodes)
	p.Status.Phase = corev1.PodRunning
	p.Status.PodIPs = podIPs(t)
	p.Status.PodIP = p.Status.PodIPs[0].IP
	for j := range rapid.IntRange(1, 2).Draw(t, "containers") {
		p.Spec.Containers = append(p.Spec.Containers, corev1.Container{Name: fmt.Sprintf("c%d", j), Ports: containerPorts(t)})
	}
	if chance(t, "init", 4) {
		c := corev1.Container{Name: "init", Ports: containerPorts(t)}
		if chance(t, "sidecar", 2) {
			c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
		}
		p.Spec.InitContainers = append(p.Spec.InitContainers, c)
	}
	if odd {
		makeOdd(t, &p)
	}
	return p
}

func podIPs(t *rapid.T) []corev1.PodIP {
	first := address(t, 0)
	ips := []corev1.PodIP{{IP: first.String()}}
	if second := address(t, 0); first.Is4() != second.Is4() {
		ips = append(ips, corev1.PodIP{IP: second.String()})
	}
	return ips
}

func containerPorts(t *rapid.T) []corev1.ContainerPort {
	var ports []corev1.ContainerPort
	for range rapid.IntRange(0, 2).Draw(t, "ports") {
		ports = append(ports, corev1.ContainerPort{
			Name:          sample(t, "name", append([]string{""}, portNames...)),
			ContainerPort: sample(t, "port", numbers),
			Protocol:      sample(t, "protocol", append([]corev1.Protocol{""}, protocols...)),
		})
	}
	return ports
}

func makeOdd(t *rapid.T, p *corev1.Pod) {
	p.Status.HostIPs = []corev1.HostIP{{IP: "192.0.2." + p.Spec.NodeName[len("node-"):]}}
	p.Status.HostIP = p.Status.HostIPs[0].IP
	switch rapid.IntRange(0, 9).Draw(t, "oddity") {
	case 6:
		p.Spec.HostNetwork = true
		p.Status.PodIPs, p.Status.PodIP = []corev1.PodIP{{IP: p.Status.HostIP}}, p.Status.HostIP
	case 7:
		p.Status.Phase = sample(t, "phase", []corev1.PodPhase{corev1.PodSucceeded, corev1.PodFailed})
	case 8:
		p.Status = corev1.PodStatus{}
	case 9:
		p.Spec.NodeName, p.Spec.HostNetwork, p.Status = "", true, corev1.PodStatus{}
	}
}

// YAML returns a cluster as manifests that can be read and applied.
func (c Cluster) YAML() string {
	var out strings.Builder
	add := func(kind, version string, object any) {
		text, err := yaml.Marshal(object)
		if err != nil {
			text = []byte("# " + err.Error() + "\n")
		}
		fmt.Fprintf(&out, "---\nkind: %s\napiVersion: %s\n%s", kind, version, text)
	}
	for i := range c.Namespaces {
		add("Namespace", "v1", c.Namespaces[i])
	}
	for i := range c.Pods {
		add("Pod", "v1", c.Pods[i])
	}
	for i := range c.Policies {
		add("NetworkPolicy", "networking.k8s.io/v1", c.Policies[i])
	}
	return out.String()
}
