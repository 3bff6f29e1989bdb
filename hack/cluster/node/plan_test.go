package node

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func testPlan() map[string]program {
	all := map[string]program{}
	for _, p := range plan(paths{State: "/var/lib/oc", ClusterDir: "/cache/cluster"}, binaries{
		Kubernetes: "/bin/kubernetes-x", Etcd: "/bin/etcd-x", KubeRouter: "/bin/kube-router-x", Containerd: "/usr/bin/containerd",
	}) {
		all[p.Name] = p
	}
	return all
}

func TestTheNodeIsMadeOfEightPrograms(t *testing.T) {
	g := NewWithT(t)
	var names []string
	for _, p := range plan(paths{}, binaries{}) {
		names = append(names, p.Name)
	}
	g.Expect(names).To(Equal([]string{
		"etcd", "containerd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kube-router",
	}))
	for name, p := range testPlan() {
		g.Expect(p.Path).To(HaveSuffix("/"+name), "the binary is named like the program")
		g.Expect(p.Health).To(MatchRegexp(`^(https?://(127\.0\.0\.1|10\.244\.0\.1):\d+/|unix:///var/lib/oc/)`))
	}
}

func TestProgramsThatNeedTheNodeObjectStartAfterIt(t *testing.T) {
	for name, p := range testPlan() {
		NewWithT(t).Expect(p.AfterNode).To(Equal(name == "kube-proxy" || name == "kube-router"), name)
	}
}

func TestNoProgramWritesOutsideTheStateFolder(t *testing.T) {
	for name, p := range testPlan() {
		for _, arg := range p.Args {
			flag, value, _ := strings.Cut(arg, "=")
			if strings.HasPrefix(value, "/") {
				NewWithT(t).Expect(value).To(HavePrefix("/var/lib/oc/"), name+" "+flag)
			}
		}
	}
}

func TestTheAPIServerIsSetForExecLogsAndTheAudit(t *testing.T) {
	NewWithT(t).Expect(testPlan()["kube-apiserver"].Args).To(ContainElements(
		"--kubelet-preferred-address-types=InternalIP",
		"--audit-log-path=/var/lib/oc/audit.log",
		"--authorization-mode=Node,RBAC",
		"--service-cluster-ip-range=10.96.0.0/16",
	))
}

func TestKubeRouterEnforcesPoliciesAndNothingElse(t *testing.T) {
	NewWithT(t).Expect(testPlan()["kube-router"].Args).To(ContainElements(
		"--run-firewall=true", "--run-router=false", "--run-service-proxy=false", "--hostname-override=openimstack"))
}

func TestTheHostGetsOneLinkAndOneAddress(t *testing.T) {
	g := NewWithT(t)
	var outside []string
	for _, command := range networkCommands() {
		if line := strings.Join(command, " "); !strings.HasPrefix(line, "nsenter --net=/run/netns/openimstack -- ") {
			outside = append(outside, line)
		}
	}
	g.Expect(outside).To(Equal([]string{
		"ip netns add openimstack",
		"ip link add openimstack-h type veth peer name openimstack-n netns openimstack",
		"ip address add 198.18.95.1/30 dev openimstack-h",
		"ip link set openimstack-h up",
	}))
	for _, link := range []string{hostLink, nodeLink, bridge} {
		g.Expect(len(link)).To(BeNumerically("<=", 15), "the kernel's limit for names of links")
	}
}

func TestAStateFolderThatMustNotBeRemovedIsRefused(t *testing.T) {
	for dir, want := range map[string]string{
		DefaultStateDir:                        "",
		"/var/tmp/oc":                          "",
		"/":                                    "a dedicated folder",
		"/home":                                "a dedicated folder",
		"/var/lib/with space":                  "without spaces",
		"/var/lib/" + strings.Repeat("x", 100): "too long",
	} {
		err := checkStateDir(dir)
		if want == "" {
			NewWithT(t).Expect(err).NotTo(HaveOccurred(), dir)
		} else {
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(want)), dir)
		}
	}
}

func TestTheKernelsCapabilitiesDecideWhatTheKubeletLeavesOut(t *testing.T) {
	g := NewWithT(t)
	g.Expect(hasSysResource("Name:\tx\nCapEff:\t000001ffffffffff\n")).To(BeTrue())
	g.Expect(hasSysResource("Name:\tx\nCapEff:\t000001fffeffffff\n")).To(BeFalse())
	g.Expect(hasSysResource("")).To(BeFalse())
}
