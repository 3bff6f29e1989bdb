package node

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"
)

func testValues() values {
	v := newValues(paths{State: "/var/lib/oc", ClusterDir: "/cache/cluster"})
	v.CNIBin, v.KubernetesVersion, v.CoreDNSImage = "/usr/lib/cni", "v1.36.3", "openimstack/coredns:x"
	return v
}

// documents renders a template and reads it as YAML, whose mistakes it finds.
func documents(g *WithT, name string, v values) []map[string]any {
	content, err := render(name, v)
	g.Expect(err).NotTo(HaveOccurred())
	var all []map[string]any
	for _, part := range strings.Split(string(content), "\n---\n") {
		var document map[string]any
		g.Expect(yaml.UnmarshalStrict([]byte(part), &document)).To(Succeed(), part)
		all = append(all, document)
	}
	return all
}

func TestEveryTemplateRendersWithoutAnEmptyFact(t *testing.T) {
	g := NewWithT(t)
	files, err := fs.Glob(templates, "templates/*")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).NotTo(BeEmpty())
	for _, file := range files {
		content, err := render(filepath.Base(file), testValues())
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(string(content)).NotTo(ContainSubstring("<no value>"), file)
		if strings.HasSuffix(file, ".yaml") {
			documents(g, filepath.Base(file), testValues())
		}
	}
	_, err = render("none.yaml", testValues())
	g.Expect(err).To(MatchError(ContainSubstring("none.yaml")))
}

func TestTheAPIServersCertificateIsGoodOnBothSides(t *testing.T) {
	g := NewWithT(t)
	config := documents(g, "kubeadm.yaml", testValues())
	g.Expect(config[1]["controlPlaneEndpoint"]).To(Equal("198.18.95.2:6443"), "a kubeconfig works from the host and in the node")
	g.Expect(config[1]["apiServer"]).To(HaveKeyWithValue("certSANs", ContainElements("198.18.95.2", "10.244.0.1", "127.0.0.1")))
	g.Expect(config[1]["certificatesDir"]).To(Equal("/var/lib/oc/pki"))
	g.Expect(config[0]["localAPIEndpoint"]).To(HaveKeyWithValue("advertiseAddress", "10.244.0.1"))
}

func TestTheKubeletStaysInItsFoldersAndItsCgroup(t *testing.T) {
	g := NewWithT(t)
	v := testValues()
	kubelet := documents(g, "kubelet.yaml", v)[0]
	g.Expect(kubelet).To(And(
		HaveKeyWithValue("cgroupRoot", "/openimstack/pods"), HaveKeyWithValue("cgroupsPerQOS", false),
		HaveKeyWithValue("failCgroupV1", false), HaveKeyWithValue("failSwapOn", false),
		HaveKeyWithValue("podLogsDir", "/var/lib/oc/log/pods"), HaveKeyWithValue("volumePluginDir", HavePrefix("/var/lib/oc/")),
		HaveKeyWithValue("resolvConf", ""), HaveKeyWithValue("clusterDNS", ConsistOf("10.96.0.10")),
	))
	g.Expect(kubelet["authentication"]).To(HaveKeyWithValue("anonymous", HaveKeyWithValue("enabled", false)))
	g.Expect(kubelet).NotTo(HaveKey("featureGates"))

	v.LacksSysResource = true
	g.Expect(documents(g, "kubelet.yaml", v)[0]).To(HaveKeyWithValue("featureGates", HaveKeyWithValue("KubeletInUserNamespace", true)))
}

func TestWritesAreAuditedOnceAndReadsNever(t *testing.T) {
	g := NewWithT(t)
	policy := documents(g, "audit-policy.yaml", testValues())[0]
	g.Expect(policy["omitStages"]).To(ConsistOf("RequestReceived", "ResponseStarted"))
	g.Expect(policy["rules"]).To(HaveExactElements(
		And(
			HaveKeyWithValue("level", "Metadata"),
			HaveKeyWithValue("verbs", ConsistOf("create", "update", "patch", "delete", "deletecollection")),
			HaveLen(2),
		),
		And(HaveKeyWithValue("level", "None"), HaveLen(1)),
	))
}

func TestPodsGetAddressesOnTheBridgeOnly(t *testing.T) {
	g := NewWithT(t)
	content, err := render("cni.conflist", testValues())
	g.Expect(err).NotTo(HaveOccurred())
	var list struct {
		Plugins []struct {
			Type, Bridge string
			IPMasq       bool
			IPAM         struct {
				DataDir string
				Ranges  [][]struct{ Subnet, RangeStart, Gateway string }
			}
		}
	}
	g.Expect(json.Unmarshal(content, &list)).To(Succeed())
	g.Expect(list.Plugins[0].Bridge).To(Equal(bridge))
	g.Expect(list.Plugins[0].IPMasq).To(BeFalse(), "policies must see the pods' own addresses")
	g.Expect(list.Plugins[0].IPAM.DataDir).To(HavePrefix("/var/lib/oc/"))
	g.Expect(list.Plugins[0].IPAM.Ranges[0][0].Gateway).To(Equal(nodeIP))
}

func TestClusterDNSRunsRestrictedAndIsWhereTheKubeletSaysItIs(t *testing.T) {
	g := NewWithT(t)
	var service, deployment map[string]any
	for _, object := range documents(g, "coredns.yaml", testValues()) {
		switch object["kind"] {
		case "Service":
			service = object["spec"].(map[string]any)
		case "Deployment":
			deployment = object["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
		}
	}
	g.Expect(service["clusterIP"]).To(Equal(dnsIP))
	g.Expect(deployment["securityContext"]).To(HaveKeyWithValue("runAsNonRoot", true))
	container := deployment["containers"].([]any)[0].(map[string]any)
	g.Expect(container).To(And(HaveKeyWithValue("image", "openimstack/coredns:x"), HaveKeyWithValue("imagePullPolicy", "Never")))
	g.Expect(container["securityContext"]).To(HaveKeyWithValue("capabilities", Equal(map[string]any{"drop": []any{"ALL"}})))
}
