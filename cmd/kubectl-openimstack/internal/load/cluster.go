package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/discovery"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/version"
)

// Cluster is the cluster that the kubeconfig and the flags name.
type Cluster struct {
	client.Client
	// Context and Namespace are those of the flags, or else of the kubeconfig.
	Context, Namespace string
	// Config names the API server and the caller.
	Config *rest.Config
	// kinds lists the kinds that the API server serves.
	kinds discovery.DiscoveryInterface
	// logs reads the logs of pods.
	logs corev1client.CoreV1Interface
}

// maxOthers limits the kinds of other operators that are searched for references to a stack. A cluster with more is not known; the limit
// keeps a broken API server from making the audit endless.
const maxOthers = 2000

// defaultHost is the server that kubectl contacts without any configuration. An audit of whatever listens there would be one of a cluster
// that nobody named.
const defaultHost = "http://localhost:8080"

// Connect reads the kubeconfig, as kubectl does: --kubeconfig, then $KUBECONFIG, then ~/.kube/config, then the service account of a pod.
// It sends no request yet.
func Connect(flags *genericclioptions.ConfigFlags) (*Cluster, error) {
	loader := flags.ToRawKubeConfigLoader()
	namespace, _, err := loader.Namespace()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	config, err := flags.ToRESTConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if clientcmdapi.IsConfigEmpty(&raw) && config.Host == defaultHost && ptr.Deref(flags.APIServer, "") == "" {
		return nil, errors.New("reading the kubeconfig: there is none: name one with --kubeconfig or $KUBECONFIG")
	}
	config.UserAgent = "kubectl-openimstack/" + version.String()
	config.QPS, config.Burst = 50, 100 // one reader of a few dozen lists
	c, err := client.New(config, client.Options{Scheme: Scheme()})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	// The discovery of ConfigFlags would write a cache to the user's home. The plugin reads the kinds once and keeps nothing.
	kinds, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	logs, err := corev1client.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", config.Host, err)
	}
	context := raw.CurrentContext
	if flags.Context != nil && *flags.Context != "" {
		context = *flags.Context
	}
	return &Cluster{Client: c, Context: context, Namespace: namespace, Config: config, kinds: kinds, logs: logs}, nil
}

// Scheme returns a scheme with the kinds of Kubernetes and of the operator.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(gatewayv1.Install(s))
	utilruntime.Must(v1alpha1.AddToScheme(s))
	return s
}

// Stacks returns the named stack, or all stacks of the namespace, or those of all namespaces. An empty list is an error.
func (c *Cluster) Stacks(ctx context.Context, names []string, allNamespaces bool) ([]v1alpha1.OpenIMStack, error) {
	if len(names) > 0 {
		var stack v1alpha1.OpenIMStack
		if err := c.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: names[0]}, &stack); err != nil {
			return nil, err
		}
		return []v1alpha1.OpenIMStack{stack}, nil
	}
	namespace := c.Namespace
	if allNamespaces {
		namespace = metav1.NamespaceAll
	}
	var list v1alpha1.OpenIMStackList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	if len(list.Items) == 0 {
		return nil, noStackIn(namespace, names)
	}
	return list.Items, nil
}

// others returns the kinds that the API server lists, in its preferred versions. An aggregated API that is down hides its own kinds alone,
// so the error is ignored.
func (c *Cluster) others() []schema.GroupVersionKind {
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

// Logs opens the log of a container. The caller closes it.
func (c *Cluster) Logs(ctx context.Context, namespace, pod string, options *corev1.PodLogOptions) (io.ReadCloser, error) {
	return c.logs.Pods(namespace).GetLogs(pod, options).Stream(ctx)
}

// ServerVersion returns the version of the API server.
func (c *Cluster) ServerVersion() (string, error) {
	info, err := c.kinds.ServerVersion()
	if err != nil {
		return "", err
	}
	return info.String(), nil
}
