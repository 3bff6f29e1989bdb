package render_test

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
)

func TestRenderingAllObjectsOfAStack(t *testing.T) {
	g := NewWithT(t)
	code, out, errs := invoke(t, "render", "--from-files", plugintest.Path("deploy"), "--wrapper-image", "registry.example.com/wrapper:1")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	objects := plugintest.Objects(t, out)
	kinds := map[string]int{}
	for i, u := range objects {
		kinds[u.GetKind()]++
		g.Expect(u.GetAPIVersion()).NotTo(BeEmpty())
		g.Expect(u.GetNamespace()).To(Equal("im"))
		g.Expect(u.GetOwnerReferences()).To(BeEmpty(), "the owner has no UID yet")
		if i < kinds["NetworkPolicy"] {
			g.Expect(u.GetKind()).To(Equal("NetworkPolicy"), "policies come first")
		}
	}
	g.Expect(kinds["NetworkPolicy"]).To(Equal(28))
	g.Expect(kinds["Deployment"]).To(Equal(14))
	g.Expect(kinds).NotTo(HaveKey("Secret"))
	g.Expect(out).NotTo(ContainSubstring(load.Placeholder), "the placeholder of a Secret is not printed")
	g.Expect(out).NotTo(ContainSubstring(v1alpha1.AnnotationCredentials))
	g.Expect(out).NotTo(ContainSubstring("creationTimestamp"))
	g.Expect(out).To(ContainSubstring("image: registry.example.com/wrapper:1"))
	var d appsv1.Deployment
	for _, u := range objects {
		if u.GetKind() == "Deployment" {
			content, err := yaml.Marshal(u.Object)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(yaml.UnmarshalStrict(content, &d)).To(Succeed())
		}
	}

	_, again, _ := invoke(t, "render", "--from-files", plugintest.Path("deploy"), "--wrapper-image", "registry.example.com/wrapper:1")
	g.Expect(again).To(Equal(out), "the same spec, the same text")
}

func TestRenderingWhatIsIncomplete(t *testing.T) {
	g := NewWithT(t)
	code, out, errs := invoke(t, "render", "--from-files", plugintest.Path("deploy", "stack.yaml"))
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(out).To(ContainSubstring("kind: Deployment"))
	g.Expect(errs).To(ContainSubstring(
		"OpenIMStack im/chat is incomplete: spec.dependencies.kafka.brokers: Service infra/kafka does not exist in these manifests"))
}

func TestRenderingClusterNetworkPolicies(t *testing.T) {
	g := NewWithT(t)
	code, out, errs := invoke(t, "render", "--from-files", plugintest.Path("deploy"), "--cluster-network-policy", "--priority", "7")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	objects := plugintest.Objects(t, out)
	g.Expect(objects).To(HaveLen(15), "one for each component")
	for _, u := range objects {
		g.Expect(u.GetAPIVersion() + " " + u.GetKind()).To(Equal("policy.networking.k8s.io/v1alpha2 ClusterNetworkPolicy"))
		priority, _, err := unstructured.NestedInt64(u.Object, "spec", "priority")
		if err != nil { // a number of YAML is a float
			f, _, err := unstructured.NestedFloat64(u.Object, "spec", "priority")
			g.Expect(err).NotTo(HaveOccurred())
			priority = int64(f)
		}
		g.Expect(priority).To(Equal(int64(7)))
	}
	code, _, errs = invoke(t, "render", "--from-files", plugintest.Path("deploy"), "--cluster-network-policy", "--priority", "5000")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring("0 to 1000"))
}

// All references to Secrets resolve without reading one, so that no user needs the right to read Secrets.
func TestNoSecretIsNeeded(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy")
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), "  version: v3.8.3\n", "  version: v3.8.3\n  secretRef: {name: share}\n"+
		"  push: {fcm: {credentialsRef: {name: fcm, key: account.json}}, peers: [{ipBlock: {cidr: 192.0.2.0/24}}]}\n")
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), `["kafka.infra.svc:9092"]`, `["kafka.infra.svc:9092"], credentialsRef: {name: kafka}`)
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"),
		`["mongodb.infra.svc:27017"]`, `["mongodb.infra.svc:27017"], credentialsRef: {name: mongodb}, tls: {
        caSecretRef: {name: stores, key: mongodb.crt}, clientCertificate: {secretRef: {name: client}}}`)
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), `["etcd.infra.svc:2379"]}`, `["etcd.infra.svc:2379"], credentialsRef: {name: etcd}, tls: {
        caSecretRef: {name: stores, key: etcd.crt}}}
    objectStorage:
      peers: [{ipBlock: {cidr: 192.0.2.0/24}}]
      minio: {tls: {caSecretRef: {name: stores, key: s3.crt}}, internalAddress: "minio.example.com:9000", externalAddress: "https://files.example.com", credentialsRef: {name: minio}}`)
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"),
		`credentialsRef: {name: redis-wrapper}}`, `credentialsRef: {name: redis-wrapper}, tls: {caSecretRef: {name: ca, key: ca.crt}}}
    gateway: {tls: {secretRef: {name: tls}}}
    mongodb: {uriRef: {name: own-mongodb, key: uri}}`)
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"),
		`{audience: "https://im.example.com"}`, `{audience: "https://im.example.com", serverKeys: {secretRef: {name: keys}}}`)
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), `jwks: {secretRef: {name: admin-jwks, key: jwks.json}}`,
		`jwks: {url: "https://192.0.2.9/jwks", caSecretRef: {name: ca, key: other.crt}}`)
	code, _, errs := invoke(t, "render", "--from-files", dir, "--mongodb-addresses", "mongodb.infra.svc:27017")
	g.Expect(errs).To(BeEmpty())
	g.Expect(code).To(Equal(cli.ExitSealed))
}

// A spec that was not validated must not crash the plugin.
func TestASpecWithNothingInIt(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "s.yaml")
	plugintest.Write(t, path, "apiVersion: openimstack.dev/v1alpha1\nkind: OpenIMStack\nmetadata: {name: chat}\n")
	for _, args := range [][]string{{"audit"}, {"diff"}, {"render"}, {"explain", "api", "backend", "1"}} {
		code, _, _ := invoke(t, append(args, "--from-files", path)...)
		g.Expect(code).NotTo(Equal(cli.ExitSealed), strings.Join(args, " "))
	}
}
