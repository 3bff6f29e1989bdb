package evaluate_test

import (
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// fixture returns a few pods in three namespaces on two nodes.
func fixture() ([]corev1.Namespace, map[string]*corev1.Pod) {
	namespaces := []corev1.Namespace{
		{ObjectMeta: metav1.ObjectMeta{Name: "im", Labels: map[string]string{"team": "chat"}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "infra", Labels: map[string]string{"team": "stores"}}},
		{ObjectMeta: metav1.ObjectMeta{Name: "other"}},
	}
	pods := map[string]*corev1.Pod{}
	add := func(namespace, name, node string, labels map[string]string, ips ...string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}}
		p.Spec.NodeName, p.Status.Phase = node, corev1.PodRunning
		p.Status.HostIP = map[string]string{"north": "198.51.100.1", "south": "198.51.100.2"}[node]
		p.Status.HostIPs = []corev1.HostIP{{IP: p.Status.HostIP}}
		for _, ip := range ips {
			p.Status.PodIPs = append(p.Status.PodIPs, corev1.PodIP{IP: ip})
		}
		p.Status.PodIP = ips[0]
		pods[namespace+"/"+name] = p
		return p
	}
	add("im", "web", "north", map[string]string{"app": "web"}, "10.0.0.1", "fd00::1")
	db := add("im", "db", "north", map[string]string{"app": "db", "tier": "store"}, "10.0.0.2", "fd00::2")
	db.Spec.Containers = []corev1.Container{{Ports: []corev1.ContainerPort{
		{Name: "sql", ContainerPort: 5432}, {Name: "dns", ContainerPort: 53, Protocol: corev1.ProtocolUDP}, {Name: "sql", ContainerPort: 5433},
	}}}
	db.Spec.InitContainers = []corev1.Container{
		{RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways), Ports: []corev1.ContainerPort{{Name: "proxy", ContainerPort: 15001}}},
		{Ports: []corev1.ContainerPort{{Name: "setup", ContainerPort: 9999}}},
	}
	db.Spec.EphemeralContainers = []corev1.EphemeralContainer{{
		EphemeralContainerCommon: corev1.EphemeralContainerCommon{Ports: []corev1.ContainerPort{{Name: "debug", ContainerPort: 4444}}},
	}}
	add("infra", "db", "south", map[string]string{"app": "db"}, "10.0.1.2").Spec.Containers = []corev1.Container{{
		Ports: []corev1.ContainerPort{{Name: "sql", ContainerPort: 3306}},
	}}
	add("other", "web", "south", map[string]string{"app": "web"}, "10.0.2.1")
	add("other", "six", "south", nil, "fd00:2::6")
	add("im", "agent", "north", map[string]string{"app": "web"}, "198.51.100.1").Spec.HostNetwork = true
	add("im", "proxy", "south", map[string]string{"app": "db"}, "198.51.100.2").Spec.HostNetwork = true
	add("im", "job", "south", map[string]string{"app": "web"}, "10.0.0.9").Status.Phase = corev1.PodSucceeded
	add("im", "crashed", "south", map[string]string{"app": "db"}, "10.0.0.8").Status.Phase = corev1.PodFailed
	return namespaces, pods
}

// policies reads specs of policies, named p0 and so on, of namespace im unless "namespace | spec" says otherwise.
func policies(t testing.TB, specs ...string) []networkingv1.NetworkPolicy {
	t.Helper()
	var all []networkingv1.NetworkPolicy
	for i, text := range specs {
		p := networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: fmt.Sprintf("p%d", i)}}
		if m := regexp.MustCompile(`^(\w+) \| (.*)$`).FindStringSubmatch(text); m != nil {
			p.Namespace, text = m[1], m[2]
		}
		NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(text), &p.Spec)).To(Succeed(), text)
		all = append(all, p)
	}
	return all
}

func evaluator(t testing.TB, specs ...string) *evaluate.Evaluator {
	t.Helper()
	namespaces, _ := fixture()
	e, err := evaluate.New(namespaces, policies(t, specs...))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return e
}

var connection = regexp.MustCompile(`^(\S+) > (\S+) (\d+)(?:/(\w+))?$`)

// connect evaluates a connection written as "im/web > im/db 5432" or "192.0.2.7 > im/db 53/UDP". "?" is an unknown address.
func connect(t testing.TB, e *evaluate.Evaluator, text string) evaluate.Verdict {
	t.Helper()
	m := connection.FindStringSubmatch(text)
	NewWithT(t).Expect(m).NotTo(BeNil(), text)
	port, err := strconv.ParseInt(m[3], 10, 32)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return e.Connect(end(t, m[1]), end(t, m[2]), int32(port), corev1.Protocol(m[4]))
}

func end(t testing.TB, text string) evaluate.End {
	t.Helper()
	if text == "?" {
		return evaluate.End{}
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return evaluate.End{Address: a}
	}
	_, pods := fixture()
	NewWithT(t).Expect(pods).To(HaveKey(text))
	return evaluate.End{Pod: pods[text]}
}
