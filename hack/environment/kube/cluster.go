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

// FieldOwner is the field manager of all objects that this package applies.
const FieldOwner = client.FieldOwner("openimstack-environment")

// Client-side rate limits. They are high because many watches and probes run concurrently.
const (
	requestsPerSecond = 100
	requestBurst      = 200
)

// Cluster is a connection to a cluster.
type Cluster struct {
	// Client reads and writes objects, typed or not, without a cache.
	client.WithWatch
	// Clientset serves what Client lacks: logs, exec, discovery.
	Clientset kubernetes.Interface
	// Config is the configuration of the connection.
	Config *rest.Config
}

// Connect connects to a cluster. kubeconfig is a file; empty selects what kubectl uses: $KUBECONFIG or ~/.kube/config, current context.
func Connect(kubeconfig string) (*Cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w: set KUBECONFIG, or start the local cluster with `make cluster-up`", err)
	}
	config.QPS, config.Burst = requestsPerSecond, requestBurst
	return New(config)
}

// New connects to a cluster by a client configuration.
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

// Scheme returns a scheme with Kubernetes' built-in kinds, CRDs and OpenIMStack.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{scheme.AddToScheme, apiextensionsv1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err) // two types under one name: a programming error
		}
	}
	return s
}
