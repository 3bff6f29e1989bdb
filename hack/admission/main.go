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
		fmt.Fprintln(os.Stderr, "usage: admission ROOT, the project's folder, for example: go run ./hack/admission .")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "admission:", err)
		os.Exit(1)
	}
}

func write(root string) error {
	files := map[string][]byte{}
	for _, p := range admission.Policies(admission.Audit) {
		policy, err := marshal(p.Policy)
		if err != nil {
			return fmt.Errorf("writing admission policy %s: %w", p.Name, err)
		}
		binding, err := marshal(p.Binding)
		if err != nil {
			return fmt.Errorf("writing admission policy %s: %w", p.Name, err)
		}
		files[filepath.Join(configDir, p.Name+".yaml")] = []byte(note + string(policy) + "---\n" + string(binding))
		files[filepath.Join(chartDir, p.Name, "policy.yaml")] = policy
		files[filepath.Join(chartDir, p.Name, "binding.yaml")] = binding
	}
	example, err := clusterNetworkPolicies(root)
	if err != nil {
		return fmt.Errorf("writing ClusterNetworkPolicies of the demo's stack: %w", err)
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

// marshal returns an object as YAML without its status.
func marshal(object any) ([]byte, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	delete(content, "status")
	return yaml.Marshal(content)
}
