package main

import (
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/netpol/admission"
)

const (
	configDir = "config/admission"
	chartDir  = "charts/openim-operator/files/admission"
	note      = "# Generated from netpol/admission by `make generate`.\n"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "guards: give the project's folder: go run ./hack/admission .")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "guards:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	files := map[string][]byte{}
	for _, g := range admission.Guards(admission.Audit) {
		policy, err := marshal(g.Policy)
		if err != nil {
			return fmt.Errorf("guard %s: %w", g.Name, err)
		}
		binding, err := marshal(g.Binding)
		if err != nil {
			return fmt.Errorf("guard %s: %w", g.Name, err)
		}
		files[filepath.Join(configDir, g.Name+".yaml")] = []byte(note + string(policy) + "---\n" + string(binding))
		files[filepath.Join(chartDir, g.Name, "policy.yaml")] = policy
		files[filepath.Join(chartDir, g.Name, "binding.yaml")] = binding
	}
	example, err := clusterNetworkPolicies(root)
	if err != nil {
		return fmt.Errorf("ClusterNetworkPolicies of the demo's stack: %w", err)
	}
	for name, content := range example {
		files[filepath.Join(exampleDir, name)] = content
	}
	for name, content := range files {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// marshal writes an object as a user would: without a status.
func marshal(object any) ([]byte, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	delete(content, "status")
	return yaml.Marshal(content)
}
