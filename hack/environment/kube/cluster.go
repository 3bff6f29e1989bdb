package kube

import (
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// FieldOwner owns the fields that the harness applies.
const FieldOwner = client.FieldOwner("openimstack-harness")

// Requests a second, and at once: many watches and probes run side by side.
const (
	requestsPerSecond = 100
	requestsAtOnce    = 200
)

// Cluster is a cluster that one may write to.
type Cluster struct {
	// Client reads and writes objects, typed or not, without a cache.
	client.WithWatch
	// Clientset is for what Client lacks: logs, exec, discovery.
	Clientset kubernetes.Interface
	// Config is the connection.
	Config *rest.Config
}

// Connect opens a cluster. kubeconfig is a file; empty means what kubectl would use: $KUBECONFIG or ~/.kube/config, current context.
func Connect(kubeconfig string) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("no cluster: set KUBECONFIG, or start the local one by `make cluster-up`: %w", err)
	}
	config.QPS, config.Burst = requestsPerSecond, requestsAtOnce
	return New(config)
}

// New opens a cluster by a connection.
func New(config *rest.Config) (*Cluster, error) {
	clientset, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	objects, err := client.NewWithWatch(config, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	return &Cluster{WithWatch: objects, Clientset: clientset, Config: config}, nil
}

// Scheme knows Kubernetes' own kinds, CRDs and ours.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err) // two types under one name: a mistake of ours, in every run.
		}
	}
	return s
}
