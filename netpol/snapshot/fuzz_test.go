package snapshot

import (
	"strings"
	"testing"
)

// Manifests are untrusted. Reading any file returns a snapshot or an error that names the file and the line; objects of the snapshot have
// names, and the snapshot contains no value of a Secret.
func FuzzDocuments(f *testing.F) {
	for _, seed := range []string{
		"", "---\n", "a: b\n--- c: d\n...\n", "apiVersion: v1\nkind: Secret\nstringData: {a: hunter2}\n",
		"apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: Pod, metadata: {name: a}}]\n",
		"apiVersion: v1\nkind: PodList\nitems: [{metadata: {generateName: a-}}, 1, null]\n",
		"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p}\nspec: {podSelector: {}, ingress: [{ports: [{port: " +
			"http}]}]}\n",
		"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {parentRefs: [{}], rules: [{backendRefs: " +
			"[{port: 1e9}], filters: [1]}]}\n",
		"apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: [{ports: [{}]}]}}}\n",
		"apiVersion: v1\nkind: Endpoints\nmetadata: {name: e}\nsubsets: [{addresses: [{ip: '::1'}], ports: [{}]}]\n",
		"&a [*a]", "{\"apiVersion\":\"v1\"}{\"kind\":", "\xff\xfe", "a: !!binary x\n", "? [a]: b\n", "kind: 1\napiVersion: [v1]\nmetadata: a\n",
	} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, content string, asJSON bool) {
		name := "a.yaml"
		if asJSON {
			name = "a.json"
		}
		c := newCollection("im")
		if err := documents(name, []byte(content), c.add); err != nil {
			if !strings.HasPrefix(err.Error(), name+":") {
				t.Fatalf("the error names no place: %v", err)
			}
			return
		}
		c.snapshot.finish()
		for _, p := range c.snapshot.Pods {
			if p.Name == "" || p.Namespace == "" {
				t.Fatalf("a pod without name or namespace: %+v", p.ObjectMeta)
			}
		}
		for _, r := range c.snapshot.Routes {
			if r.Name == "" || r.Namespace == "" {
				t.Fatalf("a route without name or namespace: %+v", r)
			}
			for _, b := range r.Backends {
				if b.Port < 0 || b.Port > 65535 {
					t.Fatalf("%d is not a port", b.Port)
				}
			}
		}
		for _, n := range c.snapshot.Namespaces {
			if n.Labels["kubernetes.io/metadata.name"] != n.Name {
				t.Fatalf("a namespace without its label: %+v", n.ObjectMeta)
			}
		}
	})
}
