package main

import (
	"fmt"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/controllers/lockdown/audit"
)

// Every network plugin that is known, from its manifest to the exit code: as it enforces policies, and as it does not.
func TestNetworkPluginsThatEnforceNothing(t *testing.T) {
	for name, c := range map[string]struct {
		label, containers string
		enforces          bool
	}{
		"kube-router":                   {"k8s-app: kube-router", `{name: kube-router, image: x, args: [--run-firewall=true]}`, true},
		"kube-router off":               {"k8s-app: kube-router", `{name: kube-router, image: x, args: [--run-firewall=0]}`, false},
		"kube-router off by a shell":    {"k8s-app: kube-router", `{name: kube-router, image: x, command: [sh, -c, "exec kube-router --run-firewall=false"]}`, false},
		"VPC CNI":                       {"k8s-app: aws-node", `{name: aws-eks-nodeagent, image: x, args: [--enable-network-policy=true]}`, true},
		"VPC CNI off":                   {"k8s-app: aws-node", `{name: aws-eks-nodeagent, image: x, args: [--enable-network-policy=false]}`, false},
		"VPC CNI alone":                 {"k8s-app: aws-node", `{name: aws-node, image: x}`, false},
		"Weave Net":                     {"name: weave-net", `{name: weave, image: x}, {name: weave-npc, image: x}`, true},
		"Weave Net off":                 {"name: weave-net", `{name: weave, image: x, env: [{name: EXPECT_NPC, value: "0"}]}, {name: weave-npc, image: x}`, false},
		"Weave Net alone":               {"name: weave-net", `{name: weave, image: x}`, false},
		"Calico":                        {"k8s-app: calico-node", `{name: calico-node, image: x}`, true},
		"Canal":                         {"k8s-app: canal", `{name: calico-node, image: x}, {name: kube-flannel, image: x}`, true},
		"Canal without Calico":          {"k8s-app: canal", `{name: kube-flannel, image: x}`, false},
		"Cilium":                        {"k8s-app: cilium", `{name: cilium-agent, image: x, args: [--config-dir=/tmp]}`, true},
		"Cilium off":                    {"k8s-app: cilium", `{name: cilium-agent, image: x, args: [--enable-policy, never]}`, false},
		"Cilium off by its environment": {"k8s-app: cilium", `{name: cilium-agent, image: x, env: [{name: CILIUM_ENABLE_POLICY, value: never}]}`, false},
		"Cilium that only looks on":     {"k8s-app: cilium", `{name: cilium-agent, image: x, args: [--policy-audit-mode]}`, false},
		"Antrea":                        {"app: antrea", `{name: antrea-agent, image: x}`, true},
		"kindnet":                       {"app: kindnet", `{name: kindnet-cni, image: "kindest/kindnetd:v20250512-df8de77b"}`, true},
		"kindnet of earlier":            {"app: kindnet", `{name: kindnet-cni, image: "kindest/kindnetd:v20230511-dc714da8"}`, false},
		"kindnet off":                   {"app: kindnet", `{name: kindnet-cni, image: x, args: [--network-policy=false]}`, false},
		"flannel":                       {"app: flannel", `{name: kube-flannel, image: x}`, false},
		"flannel with a policy engine":  {"app: flannel", `{name: kube-flannel, image: x}, {name: kube-network-policies, image: x}`, true},
		"Kube-OVN off":                  {"app: kube-ovn-controller", `{name: c, image: x, args: [--enable-np=false]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			dir := copies(t, "deploy")
			write(t, filepath.Join(dir, "plugin.yaml"), fmt.Sprintf(`apiVersion: apps/v1
kind: DaemonSet
metadata: {name: plugin, namespace: kube-system}
spec:
  selector: {matchLabels: {%[1]s}}
  template: {metadata: {labels: {%[1]s}}, spec: {hostNetwork: true, containers: [%[2]s]}}
`, c.label, c.containers))
			code, out, errs := invoke(t, "audit", "--from-files", dir, "-o", "json")
			findings := reports(t, out)[0].Findings
			if c.enforces {
				g.Expect(code).To(Equal(exitSealed), errs)
				g.Expect(findings).To(BeEmpty())
				return
			}
			g.Expect(code).To(Equal(exitFindings), errs)
			g.Expect(findings).To(ConsistOf(And(HaveField("Kind", audit.NotEnforced), HaveField("Severity", audit.High), HaveField("Object.Name", "plugin"))))
		})
	}
}
