package snapshot_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// Objects have the line on which their document begins, and pods that of their workload.
func TestLocationsOfObjects(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	g.Expect(os.MkdirAll(filepath.Join(dir, "sub"), 0o755)).To(Succeed())
	write := func(name, content string) {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600)).To(Succeed())
	}
	write("sub/a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n---\r\n"+
		"apiVersion: apps/v1\r\nkind: Deployment\r\nmetadata: {name: d, namespace: im}\r\n"+
		"spec: {template: {spec: {containers: [{name: c}]}}}\r\n---\napiVersion: v1\nkind: List\nitems:\n"+
		"- null\n- {apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: p}, spec: {podSelector: {}}}\n")
	write("b.json", "\n\n"+`{"apiVersion": "example.com/v1", "kind": "Tunnel", "metadata": {"name": "t"}, "spec": {"to": "chat-api"}}`)
	write("c.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n") // the same object again: the first counts

	at := func(s *snapshot.Snapshot, group, kind, namespace, name string) snapshot.Location {
		return s.Locations[snapshot.ObjectKey{GroupKind: schema.GroupKind{Group: group, Kind: kind}, Namespace: namespace, Name: name}]
	}
	t.Chdir(filepath.Dir(dir))
	folder := filepath.Base(dir)
	s, _, err := snapshot.FromFiles("./"+folder, "")
	g.Expect(err).NotTo(HaveOccurred())
	deployment := snapshot.Location{File: folder + "/sub/a.yaml", Line: 5}
	g.Expect(at(s, "apps", "Deployment", "im", "d")).To(Equal(deployment))
	g.Expect(at(s, "", "Pod", "im", "d")).To(Equal(deployment))
	g.Expect(at(s, "networking.k8s.io", "NetworkPolicy", "default", "p")).To(Equal(snapshot.Location{File: folder + "/sub/a.yaml", Line: 10}))
	g.Expect(at(s, "example.com", "Tunnel", "default", "t")).To(Equal(snapshot.Location{File: folder + "/b.json", Line: 3}))
	g.Expect(at(s, "", "Service", "default", "s").File).To(HavePrefix(folder + "/"))

	one, _, err := snapshot.FromFiles(filepath.Join(folder, "b.json"), "")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(at(one, "example.com", "Tunnel", "default", "t").File).To(Equal(folder + "/b.json"))
}
