package audit_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// Every known network plugin, from its manifest to the exit code: enforcing policies, and not enforcing them.
func TestNetworkPluginsThatEnforceNothing(t *testing.T) {
	for name, c := range map[string]struct {
		label, containers string
		enforces          bool
	}{
		"kube-router":     {"k8s-app: kube-router", `{name: kube-router, image: x, args: [--run-firewall=true]}`, true},
		"kube-router off": {"k8s-app: kube-router", `{name: kube-router, image: x, args: [--run-firewall=0]}`, false},
		"kube-router off by a shell": {
			"k8s-app: kube-router", `{name: kube-router, image: x, command: [sh, -c, "exec kube-router --run-firewall=false"]}`, false,
		},
		"VPC CNI off": {
			"k8s-app: aws-node", `{name: aws-eks-nodeagent, image: x, args: [--enable-network-policy=false]}`, false,
		},
		"VPC CNI alone": {"k8s-app: aws-node", `{name: aws-node, image: x}`, false},
		"Weave Net":     {"name: weave-net", `{name: weave, image: x}, {name: weave-npc, image: x}`, true},
		"Weave Net off": {
			"name: weave-net", `{name: weave, image: x, env: [{name: EXPECT_NPC, value: "0"}]}, {name: weave-npc, image: x}`, false,
		},
		"Weave Net alone":      {"name: weave-net", `{name: weave, image: x}`, false},
		"Calico":               {"k8s-app: calico-node", `{name: calico-node, image: x}`, true},
		"Canal":                {"k8s-app: canal", `{name: calico-node, image: x}, {name: kube-flannel, image: x}`, true},
		"Canal without Calico": {"k8s-app: canal", `{name: kube-flannel, image: x}`, false},
		"Cilium off":           {"k8s-app: cilium", `{name: cilium-agent, image: x, args: [--enable-policy, never]}`, false},
		"Cilium off by its environment": {
			"k8s-app: cilium", `{name: cilium-agent, image: x, env: [{name: CILIUM_ENABLE_POLICY, value: never}]}`, false,
		},
		"Cilium in audit mode":         {"k8s-app: cilium", `{name: cilium-agent, image: x, args: [--policy-audit-mode]}`, false},
		"Antrea":                       {"app: antrea", `{name: antrea-agent, image: x}`, true},
		"kindnet":                      {"app: kindnet", `{name: kindnet-cni, image: "kindest/kindnetd:v20250512-df8de77b"}`, true},
		"kindnet of earlier":           {"app: kindnet", `{name: kindnet-cni, image: "kindest/kindnetd:v20230511-dc714da8"}`, false},
		"kindnet off":                  {"app: kindnet", `{name: kindnet-cni, image: x, args: [--network-policy=false]}`, false},
		"flannel":                      {"app: flannel", `{name: kube-flannel, image: x}`, false},
		"flannel with a policy engine": {"app: flannel", `{name: kube-flannel, image: x}, {name: kube-network-policies, image: x}`, true},
		"Kube-OVN off":                 {"app: kube-ovn-controller", `{name: c, image: x, args: [--enable-np=false]}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			code, report, errs := auditWithPlugin(t, c.label, c.containers, "")
			findings := report.Findings
			if c.enforces {
				g.Expect(code).To(Equal(cli.ExitSealed), errs)
				g.Expect(findings).To(BeEmpty())
				return
			}
			g.Expect(code).To(Equal(cli.ExitFindings), errs)
			g.Expect(findings).To(ConsistOf(And(
				HaveField("Kind", audit.NotEnforced), HaveField("Severity", audit.High), HaveField("Object.Name", "plugin"),
			)))
		})
	}
}

// auditWithPlugin audits manifests with the DaemonSet of a network plugin, and with its ConfigMap, given as name and data.
func auditWithPlugin(t *testing.T, label, containers, configMap string) (code int, report audit.Report, errs string) {
	t.Helper()
	dir := plugintest.Copies(t, "deploy")
	plugintest.Write(t, filepath.Join(dir, "plugin.yaml"), fmt.Sprintf(`apiVersion: apps/v1
kind: DaemonSet
metadata: {name: plugin, namespace: kube-system}
spec:
  selector: {matchLabels: {%[1]s}}
  template: {metadata: {labels: {%[1]s}}, spec: {hostNetwork: true, containers: [%[2]s]}}
`, label, containers))
	if name, data, given := strings.Cut(configMap, " "); given {
		plugintest.Write(t, filepath.Join(dir, "settings.yaml"), fmt.Sprintf(`apiVersion: v1
kind: ConfigMap
metadata: {name: %s, namespace: kube-system}
data: %s
`, name, data))
	}
	code, out, errs := invoke(t, "audit", "--from-files", dir, "-o", "json")
	return code, plugintest.Reports(t, out)[0], errs
}

// Switches of network plugins in a ConfigMap are read when the ConfigMap is available. Otherwise the result is unknown.
func TestSwitchesOfNetworkPluginsInConfigMaps(t *testing.T) {
	const (
		cilium = `{name: cilium-agent, image: x, args: [--config-dir=/tmp/cilium/config-map]}`
		vpc    = `{name: aws-eks-nodeagent, image: x, args: [--enable-network-policy=true]}`
		npc    = `{name: weave-npc, image: x}`
		byKey  = `{name: weave, image: x, env: [{name: EXPECT_NPC, valueFrom: {configMapKeyRef: {name: net, key: npc}}}]}, ` + npc
		maybe  = `{name: weave, image: x, env: [` +
			`{name: EXPECT_NPC, valueFrom: {configMapKeyRef: {name: net, key: npc, optional: true}}}]}, ` + npc
		secret  = `{name: weave, image: x, env: [{name: EXPECT_NPC, valueFrom: {secretKeyRef: {name: net, key: npc}}}]}, ` + npc
		byAll   = `{name: weave, image: x, envFrom: [{configMapRef: {name: net}}]}, ` + npc
		prefix  = `{name: weave, image: x, envFrom: [{prefix: EXPECT_, configMapRef: {name: net}}]}, ` + npc
		after   = `{name: weave, image: x, envFrom: [{configMapRef: {name: net}}], env: [{name: EXPECT_NPC, value: "1"}]}, ` + npc
		another = `{name: weave, image: x, env: [{name: WEAVE_MTU, valueFrom: {configMapKeyRef: {name: net, key: mtu}}}]}, ` + npc
		router  = `{name: kube-router, image: x, args: ["--run-firewall=$(KUBE_ROUTER_RUN_FIREWALL)"], ` +
			`env: [{name: KUBE_ROUTER_RUN_FIREWALL, valueFrom: {configMapKeyRef: {name: net, key: firewall}}}]}`
		literal = `{name: kube-router, image: x, args: ["--run-firewall=$(FW)"], env: [{name: FW, value: "false"}]}`
		shell   = `{name: kube-router, image: x, command: [sh, -c, "exec kube-router --run-firewall=${FW}"], ` +
			`env: [{name: FW, valueFrom: {configMapKeyRef: {name: net, key: firewall}}}]}`
		nowhere = `{name: kube-router, image: x, command: [sh, -c, "kube-router --run-firewall=$FW"]}`
	)
	for _, c := range []struct {
		name, label, containers, configMap string
		code                               int
	}{
		{"Cilium", "k8s-app: cilium", cilium, `cilium-config {enable-policy: default, policy-audit-mode: "false"}`, cli.ExitSealed},
		{"Cilium without switches", "k8s-app: cilium", cilium, `cilium-config {debug: "true"}`, cli.ExitSealed},
		{"Cilium off", "k8s-app: cilium", cilium, `cilium-config {enable-policy: never}`, cli.ExitFindings},
		{"Cilium in audit mode", "k8s-app: cilium", cilium, `cilium-config {policy-audit-mode: "true"}`, cli.ExitFindings},
		{"Cilium without Kubernetes' policies", "k8s-app: cilium", cilium, `cilium-config {enable-k8s-networkpolicy: "false"}`, cli.ExitFindings},
		{"Cilium, and its ConfigMap is missing", "k8s-app: cilium", cilium, ``, cli.ExitUnknown},
		{"Cilium, and another ConfigMap is there", "k8s-app: cilium", cilium, `cilium-settings {enable-policy: default}`, cli.ExitUnknown},
		{"Cilium with other arguments", "k8s-app: cilium", `{name: cilium-agent, image: x, args: [--enable-policy=default]}`,
			`cilium-config {enable-policy: never}`, cli.ExitSealed},
		{"VPC CNI", "k8s-app: aws-node", vpc, `amazon-vpc-cni {enable-network-policy-controller: "true"}`, cli.ExitSealed},
		{
			"VPC CNI whose controller is off", "k8s-app: aws-node", vpc,
			`amazon-vpc-cni {enable-network-policy-controller: "false"}`, cli.ExitFindings,
		},
		{
			"VPC CNI without a switch of its controller", "k8s-app: aws-node", vpc, `amazon-vpc-cni {enable-windows-ipam: "true"}`, cli.ExitUnknown,
		},
		{"VPC CNI, and its ConfigMap is missing", "k8s-app: aws-node", vpc, ``, cli.ExitUnknown},
		{"a variable", "name: weave-net", byKey, `net {npc: "1"}`, cli.ExitSealed},
		{"a variable that is off", "name: weave-net", byKey, `net {npc: "0"}`, cli.ExitFindings},
		{"a variable of a ConfigMap that is missing", "name: weave-net", byKey, ``, cli.ExitUnknown},
		{"a variable of a key that is missing", "name: weave-net", byKey, `net {other: "1"}`, cli.ExitUnknown},
		{"a variable that may be absent", "name: weave-net", maybe, `net {other: "1"}`, cli.ExitSealed},
		{"a variable that may be absent, with its ConfigMap", "name: weave-net", maybe, ``, cli.ExitUnknown},
		{"a variable of a Secret", "name: weave-net", secret, ``, cli.ExitUnknown},
		{"all of a ConfigMap", "name: weave-net", byAll, `net {EXPECT_NPC: "1"}`, cli.ExitSealed},
		{"all of a ConfigMap, off", "name: weave-net", byAll, `net {EXPECT_NPC: "0"}`, cli.ExitFindings},
		{"all of a ConfigMap that is missing", "name: weave-net", byAll, ``, cli.ExitUnknown},
		{"all of a ConfigMap under a prefix, off", "name: weave-net", prefix, `net {NPC: "0"}`, cli.ExitFindings},
		{"a variable of its own counts before the ConfigMap's", "name: weave-net", after, `net {EXPECT_NPC: "0"}`, cli.ExitSealed},
		{"a variable that is not a switch", "name: weave-net", another, ``, cli.ExitSealed},
		{"an argument with a variable", "k8s-app: kube-router", router, `net {firewall: "true"}`, cli.ExitSealed},
		{"an argument with a variable that is off", "k8s-app: kube-router", router, `net {firewall: "false"}`, cli.ExitFindings},
		{"an argument with a variable of unknown origin", "k8s-app: kube-router", router, ``, cli.ExitUnknown},
		{"an argument with a variable beside it", "k8s-app: kube-router", literal, ``, cli.ExitFindings},
		{"a shell's variable that is off", "k8s-app: kube-router", shell, `net {firewall: "false"}`, cli.ExitFindings},
		{"a shell's variable that the image may set", "k8s-app: kube-router", nowhere, ``, cli.ExitUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			code, report, errs := auditWithPlugin(t, c.label, c.containers, c.configMap)
			g.Expect(code).To(Equal(c.code), errs)
			switch c.code {
			case cli.ExitFindings:
				g.Expect(report.Findings).To(ConsistOf(And(HaveField("Kind", audit.NotEnforced), HaveField("Object.Name", "plugin"))))
			case cli.ExitUnknown:
				g.Expect(report.Findings).To(BeEmpty())
				g.Expect(report.Unread).To(ConsistOf(And(
					HaveField("Kind", "ConfigMap"), HaveField("Reason", ContainSubstring("enforces NetworkPolicies")),
				)))
			default:
				g.Expect(report.Findings).To(BeEmpty())
			}
		})
	}
}
