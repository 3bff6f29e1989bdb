package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/test/loopback/balance"
	"github.com/openimstack/openim-operator/test/loopback/endpoints"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// rollout bounds the time until a changed stack is ready again.
const rollout = 5 * time.Minute

// generous raises the limits of a single address, since a suite's users share one.
var generous = v1alpha1.Limits{Classes: []v1alpha1.LimitClass{
	{Name: "login", PerSecond: resource.MustParse("100"), Burst: 1000, By: []v1alpha1.LimitKey{v1alpha1.LimitByIP}},
	{Name: "refused", PerSecond: resource.MustParse("100"), Burst: 1000, By: []v1alpha1.LimitKey{v1alpha1.LimitByIP}},
}}

// controller controls the stack in the cluster. Two addresses on loopback, one for each listener of the gateway, lead to the ready pods.
type controller struct {
	*setup.Environment
	users, admins *balance.Balancer
	// forwards is the context of all port-forwards.
	forwards context.Context
	stack    *v1alpha1.OpenIMStack
}

func newController(ctx context.Context, environment *setup.Environment) (*controller, error) {
	k := &controller{Environment: environment, forwards: ctx}
	var err error
	if k.users, err = balance.New(); err != nil {
		return nil, err
	}
	if k.admins, err = balance.New(); err != nil {
		return nil, err
	}
	stack, err := k.Sample()
	if err != nil {
		return nil, err
	}
	if err := k.Prepare(ctx, stack); err != nil {
		return nil, err
	}
	return k, k.change(ctx, func(s *v1alpha1.OpenIMStack) { s.Spec.Wrapper.Limits = generous.DeepCopy() })
}

func (k *controller) close() {
	k.users.Close()
	k.admins.Close()
}

// restore applies the unchanged sample.
func (k *controller) restore(ctx context.Context) error {
	return k.change(ctx, func(*v1alpha1.OpenIMStack) {})
}

// change applies the sample with a change and waits until the stack is ready.
func (k *controller) change(ctx context.Context, different func(*v1alpha1.OpenIMStack)) error {
	stack, err := k.Sample()
	if err != nil {
		return err
	}
	different(stack)
	if err := k.Apply(ctx, stack); err != nil {
		return err
	}
	return k.ready(ctx, client.ObjectKeyFromObject(stack))
}

// ready waits for the stack and updates the balancers' targets.
func (k *controller) ready(ctx context.Context, key client.ObjectKey) error {
	ctx, cancel := context.WithTimeoutCause(ctx, rollout, fmt.Errorf("the stack was not ready after %s", rollout))
	defer cancel()
	var err error
	if k.stack, err = k.WaitReady(ctx, key); err != nil {
		return err
	}
	return k.updateTargets(ctx)
}

// updateTargets points the two addresses to the pods that are ready now.
func (k *controller) updateTargets(ctx context.Context) error {
	pods, err := k.pods(ctx)
	if err != nil {
		return err
	}
	gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
	for to, port := range map[*balance.Balancer]string{k.users: graph.UsersPort, k.admins: graph.AdminPort} {
		var targets []string
		for i := range pods {
			address, err := k.Cluster.Forward(k.forwards, client.ObjectKeyFromObject(&pods[i]), gateway.Port(port).Number)
			if err != nil {
				return err
			}
			targets = append(targets, address)
		}
		to.Set(targets)
	}
	return nil
}

// pods lists the ready pods of the gateway.
func (k *controller) pods(ctx context.Context) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := k.Cluster.List(ctx, &list, client.InNamespace(k.stack.Namespace),
		client.MatchingLabels{v1alpha1.LabelInstance: k.stack.Name, v1alpha1.LabelComponent: v1alpha1.ComponentGateway})
	if err != nil {
		return nil, fmt.Errorf("listing the gateway's pods: %w", err)
	}
	ready := slices.DeleteFunc(list.Items, func(pod corev1.Pod) bool { return !truthtable.Ready(&pod) })
	if len(ready) == 0 {
		return nil, fmt.Errorf("none of the gateway's %d pods is ready", len(list.Items))
	}
	return ready, nil
}

// endpoints returns the addresses for a suite. dir is a folder for the authority of the object store's certificate.
func (k *controller) endpoints(dir string) (endpoints.Endpoints, error) {
	gateway := "http://" + k.users.Address()
	where := endpoints.Endpoints{
		API: gateway + wire.UserPrefix, Socket: "ws://" + k.users.Address() + wire.SocketPath, Gateway: gateway,
		Admin: "http://" + k.admins.Address() + wire.AdminPrefix, CA: filepath.Join(dir, "ca.crt"),
		Files: k.stack.Spec.Dependencies.ObjectStorage.MinIO.ExternalAddress,
	}
	// Links to files name the gateway and the object store as the cluster's DNS does.
	files := k.stack.Spec.Dependencies.ObjectStorage.MinIO.InternalAddress
	store, err := k.ForwardService(k.forwards, files)
	if err != nil {
		return where, err
	}
	audience, err := url.Parse(k.stack.Spec.Wrapper.Auth.Users.Audience)
	if err != nil {
		return where, fmt.Errorf("reading the audience: %w", err)
	}
	where.Dial = string(files) + "=" + store + "," + audience.Host + "=" + k.users.Address()
	ca, err := k.FilesCA(k.forwards)
	if err != nil {
		return where, err
	}
	return where, os.WriteFile(where.CA, ca, 0o600)
}

// AdminToken returns an administrator's token of the stack.
func (k *controller) AdminToken(context.Context) (string, error) { return k.Token(k.stack, nil) }

// RestartSocketServer deletes all pods of the gateway and waits until their replacements are ready.
func (k *controller) RestartSocketServer(ctx context.Context) error {
	pods, err := k.pods(ctx)
	if err != nil {
		return err
	}
	for i := range pods {
		if err := k.Cluster.Remove(ctx, &pods[i], &corev1.PodList{}); err != nil {
			return err
		}
	}
	return k.ready(ctx, client.ObjectKeyFromObject(k.stack))
}

// LimitSessions changes the stack's session limits, which restarts the gateways.
func (k *controller) LimitSessions(ctx context.Context, lifetime time.Duration) error {
	return k.change(ctx, func(s *v1alpha1.OpenIMStack) {
		s.Spec.Wrapper.Limits = generous.DeepCopy()
		if lifetime > 0 {
			seconds := int32(lifetime / time.Second)
			s.Spec.Wrapper.Auth.Users.Session = &v1alpha1.UserSession{LifetimeSeconds: &seconds, IdleSeconds: &seconds}
		}
	})
}
