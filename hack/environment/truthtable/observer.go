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
	// attempt is the time for one connection. Inside one cluster a handshake takes milliseconds; a second tells a drop from a delay.
	attempt = time.Second
	// parallel bounds the execs under way at once.
	parallel = 6
)

// Stranger is a pod outside the stack from which connections are attempted, under its own name.
type Stranger struct {
	Name  string
	Place kube.Place
	// Row of the table that it stands for. Empty: the intruder's.
	Row string
}

// Observer observes the truth table of one stack.
type Observer struct {
	Cluster          *kube.Cluster
	Namespace, Stack string
	// Image of the operator, which holds the prober.
	Image string
	// Strangers stand for the truth table's intruder, or for rows of their own.
	Strangers []Stranger
	// Services are ports that are dialled by the ClusterIP of their component's Service, too: names of ports by component.
	Services map[string]string
	// DNS is whom components ask for names, and DNSPorts by which ports. Empty: that is not observed.
	DNS      graph.Party
	DNSPorts []graph.Port
	// Patience is how long cells that disagree are tried again.
	Patience time.Duration
}

// source is a place, and the row of the truth table that it stands for.
type source struct {
	name, row string
	place     kube.Place
}

// Observe observes the cells of a truth table. From the strangers, and from inside the stack's own pods.
func (o *Observer) Observe(ctx context.Context, table []graph.Cell) (Report, error) {
	start := time.Now()
	components := componentsOf(table)
	pods, err := o.pods(ctx, components)
	if err != nil {
		return Report{}, err
	}
	places, err := o.enter(ctx, pods)
	if err != nil {
		return Report{}, err
	}
	addresses, err := o.serviceAddresses(ctx)
	if err != nil {
		return Report{}, err
	}
	sources := o.sources(components, pods, places)
	plan := lay(table, sources, pods, func(c graph.Cell) string {
		if o.Services[c.To] != c.Port.Name {
			return ""
		}
		return addresses[c.To]
	})
	judge, err := o.judge(ctx)
	if err != nil {
		return Report{}, err
	}
	if err := plan.evaluate(judge, o.Namespace); err != nil {
		return Report{}, err
	}
	if err := plan.settle(ctx, o.dial, places, o.Patience); err != nil {
		return Report{}, fmt.Errorf("observing the truth table of %s/%s: %w", o.Namespace, o.Stack, err)
	}
	names, err := o.names(ctx, judge, sources)
	if err != nil {
		return Report{}, fmt.Errorf("observing who asks %s/%s's DNS for names: %w", o.Namespace, o.Stack, err)
	}
	return Report{Observations: append(plan.observations, names...), Took: time.Since(start)}, nil
}

// componentsOf are all that the stack of a table runs, in the table's order. What has no port stands in its rows alone.
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
	err := o.Cluster.List(ctx, &list, client.InNamespace(o.Namespace), client.MatchingLabels{v1alpha1.LabelInstance: o.Stack, v1alpha1.LabelPartOf: v1alpha1.PartOf})
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
		if len(found[component]) == 0 {
			return nil, fmt.Errorf("no pod of %s is ready in stack %s/%s: look at `kubectl -n %s get pods`", component, o.Namespace, o.Stack, o.Namespace)
		}
	}
	return found, nil
}

// Ready tells whether a pod is ready and is not on its way out.
func Ready(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && pod.Status.PodIP != "" && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// enter puts the prober into every pod and returns the places by the pods' names.
func (o *Observer) enter(ctx context.Context, pods map[string][]corev1.Pod) (map[string]kube.Place, error) {
	var lock sync.Mutex
	places := map[string]kube.Place{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, replicas := range pods {
		for i := range replicas {
			group.Go(func() error {
				place, err := o.Cluster.Enter(ctx, &replicas[i], o.Image)
				lock.Lock()
				defer lock.Unlock()
				places[replicas[i].Name] = place
				return err
			})
		}
	}
	return places, group.Wait()
}

func (o *Observer) sources(components []string, pods map[string][]corev1.Pod, places map[string]kube.Place) []source {
	var all []source
	for _, stranger := range o.Strangers {
		all = append(all, source{name: stranger.Name, row: cmp.Or(stranger.Row, graph.Intruder), place: stranger.Place})
	}
	for _, component := range components {
		all = append(all, source{name: component, row: component, place: places[pods[component][0].Name]})
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

// judge reads what decides by the API's text.
func (o *Observer) judge(ctx context.Context) (*judge, error) {
	var namespaces corev1.NamespaceList
	var policies networkingv1.NetworkPolicyList
	var pods corev1.PodList
	for _, list := range []client.ObjectList{&namespaces, &policies, &pods} {
		if err := o.Cluster.List(ctx, list); err != nil {
			return nil, fmt.Errorf("reading what decides who reaches whom: %w", err)
		}
	}
	return newJudge(namespaces.Items, policies.Items, pods.Items)
}

func (o *Observer) dial(ctx context.Context, place kube.Place, targets ...string) ([]probe.Result, error) {
	return o.Cluster.Probe(ctx, place, attempt, targets...)
}
