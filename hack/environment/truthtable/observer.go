package truthtable

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/probe"
)

const (
	// attemptTimeout bounds one connection attempt. A handshake inside a cluster takes milliseconds; after a second, packets were dropped.
	attemptTimeout = time.Second
	// maxParallel bounds concurrent execs.
	maxParallel = 6
)

// ExtraSource is a pod outside of the stack from which connections are attempted, under a name of its own.
type ExtraSource struct {
	Name      string
	Container kube.Container
	// Row is the row of the truth table that the pod represents. Empty: the intruder's.
	Row string
}

// Observer observes the truth table of one stack.
type Observer struct {
	Cluster          *kube.Cluster
	Namespace, Stack string
	// Image is the operator's image, which holds the prober.
	Image string
	// ExtraSources represent the truth table's intruder, or rows of their own.
	ExtraSources []ExtraSource
	// Services lists the ports that are dialled by the ClusterIP of their component's Service, too: names of ports by component.
	Services map[string]string
	// DNS is the peer that components query for names, and DNSPorts its ports. Empty: DNS is not observed.
	DNS      graph.Peer
	DNSPorts []graph.Port
	// Timeout bounds how long cells that disagree are tried again.
	Timeout time.Duration
}

// source is a container and the row of the truth table that it represents.
type source struct {
	name, row string
	container kube.Container
}

// isOnDemand reports whether a component has no pod at most times. Its rows are observed when it has one.
func isOnDemand(component string) bool {
	c, _ := graph.Lookup(component)
	return c.OnDemand
}

// Observe observes the cells of a truth table, from the extra sources and from inside the stack's own pods.
func (o *Observer) Observe(ctx context.Context, table []graph.Cell) (Report, error) {
	start := time.Now()
	components := componentsOf(table)
	pods, err := o.pods(ctx, components)
	if err != nil {
		return Report{}, err
	}
	absent := func(name string) bool { return len(pods[name]) == 0 }
	components = slices.DeleteFunc(components, absent)
	table = slices.DeleteFunc(slices.Clone(table), func(c graph.Cell) bool { return isOnDemand(c.From) && absent(c.From) })
	containers, err := o.injectProbers(ctx, pods)
	if err != nil {
		return Report{}, err
	}
	addresses, err := o.serviceAddresses(ctx)
	if err != nil {
		return Report{}, err
	}
	sources := o.sources(components, pods, containers)
	plan := newPlan(table, sources, pods, func(c graph.Cell) string {
		if o.Services[c.To] != c.Port.Name {
			return ""
		}
		return addresses[c.To]
	})
	check, err := o.policyCheck(ctx)
	if err != nil {
		return Report{}, err
	}
	if err := plan.evaluate(check, o.Namespace); err != nil {
		return Report{}, err
	}
	if err := plan.settle(ctx, o.dial, containers, o.Timeout); err != nil {
		return Report{}, fmt.Errorf("observing the truth table of %s/%s: %w", o.Namespace, o.Stack, err)
	}
	names, err := o.observeDNS(ctx, check, sources)
	if err != nil {
		return Report{}, fmt.Errorf("observing the DNS queries of %s/%s: %w", o.Namespace, o.Stack, err)
	}
	return Report{Observations: append(plan.observations, names...), Took: time.Since(start)}, nil
}

// componentsOf returns the components of a table in the table's order. Components without a port appear in its rows only.
func componentsOf(table []graph.Cell) []string {
	var names []string
	for _, cell := range table {
		for _, name := range []string{cell.From, cell.To} {
			if _, is := graph.Lookup(name); is && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// pods returns the ready pods of every component, two at most, by component.
func (o *Observer) pods(ctx context.Context, components []string) (map[string][]corev1.Pod, error) {
	var list corev1.PodList
	err := o.Cluster.List(
		ctx,
		&list,
		client.InNamespace(o.Namespace),
		client.MatchingLabels{v1alpha1.LabelInstance: o.Stack, v1alpha1.LabelPartOf: v1alpha1.PartOf},
	)
	if err != nil {
		return nil, fmt.Errorf("listing the pods of stack %s/%s: %w", o.Namespace, o.Stack, err)
	}
	slices.SortFunc(list.Items, func(a, b corev1.Pod) int { return cmp.Compare(a.Name, b.Name) })
	found := map[string][]corev1.Pod{}
	for _, pod := range list.Items {
		name := pod.Labels[v1alpha1.LabelComponent]
		if Ready(&pod) && len(found[name]) < 2 {
			found[name] = append(found[name], pod)
		}
	}
	for _, component := range components {
		if len(found[component]) == 0 && !isOnDemand(component) {
			return nil, fmt.Errorf(
				"no pod of %s is ready in stack %s/%s: check `kubectl -n %s get pods`",
				component,
				o.Namespace,
				o.Stack,
				o.Namespace,
			)
		}
	}
	return found, nil
}

// Ready reports whether a pod is ready and not terminating.
func Ready(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && pod.Status.PodIP != "" &&
		slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
			return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
		})
}

// injectProbers adds the prober to every pod and returns the containers by the pods' names.
func (o *Observer) injectProbers(ctx context.Context, pods map[string][]corev1.Pod) (map[string]kube.Container, error) {
	var lock sync.Mutex
	containers := map[string]kube.Container{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(maxParallel)
	for _, replicas := range pods {
		for i := range replicas {
			group.Go(func() error {
				container, err := o.Cluster.InjectProber(ctx, &replicas[i], o.Image)
				lock.Lock()
				defer lock.Unlock()
				containers[replicas[i].Name] = container
				return err
			})
		}
	}
	return containers, group.Wait()
}

func (o *Observer) sources(components []string, pods map[string][]corev1.Pod, containers map[string]kube.Container) []source {
	var all []source
	for _, extra := range o.ExtraSources {
		all = append(all, source{name: extra.Name, row: cmp.Or(extra.Row, graph.Intruder), container: extra.Container})
	}
	for _, component := range components {
		all = append(all, source{name: component, row: component, container: containers[pods[component][0].Name]})
	}
	return all
}

// serviceAddresses returns the ClusterIPs of the Services that are dialled, by component.
func (o *Observer) serviceAddresses(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	for component := range o.Services {
		var service corev1.Service
		key := client.ObjectKey{Namespace: o.Namespace, Name: v1alpha1.ChildName(o.Stack, component)}
		if err := o.Cluster.Get(ctx, key, &service); err != nil {
			return nil, fmt.Errorf("reading Service %s: %w", key, err)
		}
		if ip := service.Spec.ClusterIP; ip != "" && ip != corev1.ClusterIPNone {
			found[component] = ip
		}
	}
	return found, nil
}

// policyCheck reads the namespaces, policies and pods that decide by the text of the NetworkPolicy API.
func (o *Observer) policyCheck(ctx context.Context) (*policyCheck, error) {
	var namespaces corev1.NamespaceList
	var policies networkingv1.NetworkPolicyList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&namespaces, &policies, &pods} {
		if err := o.Cluster.List(ctx, list); err != nil {
			return nil, fmt.Errorf("reading namespaces, policies and pods: %w", err)
		}
	}
	return newPolicyCheck(namespaces.Items, policies.Items, pods.Items)
}

func (o *Observer) dial(ctx context.Context, container kube.Container, targets ...string) ([]probe.Result, error) {
	return o.Cluster.Probe(ctx, container, attemptTimeout, targets...)
}
