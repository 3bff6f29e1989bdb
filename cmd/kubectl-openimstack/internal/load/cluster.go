package main

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// cluster is one that the kubeconfig names.
type cluster struct {
	client.Client
	// context and namespace of the kubeconfig and the flags.
	context, namespace string
	// kinds asks the API server for its kinds.
	kinds discovery.DiscoveryInterface
}

// maxOthers is how many kinds of others are looked through.
const maxOthers = 2000

// others are the kinds that the API server lists, in the versions that it prefers. An API that is down hides its own kinds alone.
func (c *cluster) others() []schema.GroupVersionKind {
	lists, _ := c.kinds.ServerPreferredResources()
	var found []schema.GroupVersionKind
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			continue
		}
		for _, r := range list.APIResources {
			if !strings.Contains(r.Name, "/") && slices.Contains(r.Verbs, "list") && len(found) < maxOthers {
				found = append(found, gv.WithKind(r.Kind))
			}
		}
	}
	return found
}

// connect reads the kubeconfig, as kubectl does. It asks the cluster nothing yet.
func connect(o *options) (*cluster, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = o.kubeconfig
	config := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &o.overrides)
	namespace, _, err := config.Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	raw, err := config.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	rest, err := config.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	rest.UserAgent = "kubectl-openimstack/" + version()
	rest.QPS, rest.Burst = 50, 100 // one reader of a few dozen lists
	c, err := client.New(rest, client.Options{Scheme: scheme()})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", rest.Host, err)
	}
	kinds, err := discovery.NewDiscoveryClientForConfig(rest)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", rest.Host, err)
	}
	context := raw.CurrentContext
	if o.overrides.CurrentContext != "" {
		context = o.overrides.CurrentContext
	}
	return &cluster{Client: c, context: context, namespace: namespace, kinds: kinds}, nil
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}
