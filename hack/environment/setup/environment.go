package setup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/cluster/node"
	"github.com/openimstack/openim-operator/hack/environment/identity"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/render"
)

// Namespaces of the environment.
const (
	// OperatorNamespace is the namespace of config/default.
	OperatorNamespace = "openim-operator-system"
	// StackNamespace holds the stack.
	StackNamespace = "im"
	// StoresNamespace holds Kafka, Redis, MongoDB and etcd.
	StoresNamespace = "infra"
	// IntruderNamespace holds pods outside of the stack from which connections are attempted.
	IntruderNamespace = "intruder"
)

// Environment variables, as in the Makefile.
const (
	clusterVariable = "CLUSTER"
	prefixVariable  = "IMAGE_PREFIX"
	local           = "local"
	current         = "current"
)

// Environment holds what the steps create and use.
type Environment struct {
	// Root is the folder of the repository.
	Root string
	// Local is true for the cluster that hack/cluster runs on this machine, false for kubectl's current context.
	Local bool
	// ImagePrefix is the registry path from which a cluster other than the local one pulls the images.
	ImagePrefix string
	Journal     *Journal
	// Cluster is set by the first step.
	Cluster *kube.Cluster
	// Kubeconfig is the file with which the cluster is reached; empty for kubectl's own.
	Kubeconfig string
	// Images are the references by name, set by the second step.
	Images Images
	// Provider signs administrators' tokens.
	Provider *identity.Provider
	// APIServerLog is the path of the API server's audit log. It is empty when the cluster is not the local one.
	APIServerLog string
}

// NewEnvironment reads CLUSTER and IMAGE_PREFIX, and opens the identity provider.
func NewEnvironment(journal *Journal) (*Environment, error) {
	root, err := render.Root()
	if err != nil {
		return nil, err
	}
	e := &Environment{Root: root, Journal: journal, ImagePrefix: os.Getenv(prefixVariable)}
	switch cluster := os.Getenv(clusterVariable); cluster {
	case "", local:
		e.Local = true
	case current:
	default:
		return nil, fmt.Errorf(
			"%s=%s: write %s (the node that runs on this machine) or %s (kubectl's current context)",
			clusterVariable,
			cluster,
			local,
			current,
		)
	}
	path, err := identityFile()
	if err != nil {
		return nil, err
	}
	e.Provider, err = identity.Open(path)
	return e, err
}

func identityFile() (string, error) {
	cache, err := component.Cache()
	return filepath.Join(cache, "demo", "identity.json"), err
}

// Step is one step of a run.
type Step struct {
	Title string
	Do    func(context.Context) error
}

// Steps returns the steps that bring the environment up, until the operator runs.
func (e *Environment) Steps() []Step {
	stores := func(ctx context.Context) error { return e.InstallStores(ctx, StoresNamespace) }
	return []Step{
		{e.clusterTitle(), e.startCluster},
		{"images", e.buildImages},
		{"stores in namespace " + StoresNamespace + ": Kafka, Redis, MongoDB, etcd, object storage", stores},
		{"the operator, from config/default", e.installOperator},
	}
}

// Up runs all steps until the operator runs. The caller then applies a stack.
func (e *Environment) Up(ctx context.Context) error { return e.Run(ctx, e.Steps()) }

// Run runs steps in series and stops at the first error.
func (e *Environment) Run(ctx context.Context, steps []Step) error {
	for _, step := range steps {
		if err := e.Journal.Step(ctx, step.Title, step.Do); err != nil {
			return err
		}
	}
	return nil
}

func (e *Environment) node() (*node.Node, error) {
	return node.New(node.Options{Out: e.Journal.Lines()})
}
