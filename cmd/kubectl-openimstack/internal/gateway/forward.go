package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/podforward"
)

// forwarded returns the way to a listener by a port-forward.
func forwarded(ctx context.Context, c *load.Cluster, stack *v1alpha1.OpenIMStack, listener string) (Way, error) {
	users := stack.Spec.Wrapper.Auth.Users
	if users == nil && listener == graph.UsersPort {
		return Way{}, fmt.Errorf("OpenIMStack %s has no users' listener: set spec.wrapper.auth.users", client.ObjectKeyFromObject(stack))
	}
	base := url.URL{Scheme: "http", Host: stack.Name + "-gateway." + stack.Namespace}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if spec := stack.Spec.Wrapper.Gateway; spec != nil && spec.TLS != nil {
		base.Scheme = "https"
		// The API server and the kubelet connect to the pod that was named. The certificate is for names that the pod's loopback
		// interface does not have.
		config.InsecureSkipVerify = true
	}
	var origin string
	if listener == graph.UsersPort {
		origin = users.Audience
		audience, err := url.Parse(users.Audience)
		if err != nil {
			return Way{}, fmt.Errorf("OpenIMStack %s: spec.wrapper.auth.users.audience: %w", client.ObjectKeyFromObject(stack), err)
		}
		base.Host, config.ServerName = audience.Host, audience.Hostname()
	}
	component, _ := graph.Lookup(v1alpha1.ComponentGateway)
	f := &forwarder{
		pods: func(ctx context.Context) ([]corev1.Pod, error) {
			var list corev1.PodList
			err := c.List(ctx, &list, client.InNamespace(stack.Namespace),
				client.MatchingLabels{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelComponent: v1alpha1.ComponentGateway})
			return slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return !gatewayOf(stack.Name, &p) }), err
		},
		open: func(pod types.NamespacedName) (podforward.Forward, error) {
			return podforward.Open(ctx, c.Config, pod, component.Port(listener).Number)
		},
	}
	return Way{
		Name: stack.Namespace + "/" + stack.Name, ID: string(stack.UID), BaseURL: base.String(), Audience: origin, Forwarded: true,
		HTTP: &http.Client{
			Transport: &http.Transport{DialContext: f.dial, TLSClientConfig: config, TLSHandshakeTimeout: callTimeout}, Timeout: callTimeout,
		},
	}, nil
}

// forwarder keeps one port-forward to a ready pod, and replaces it when the pod has ended.
type forwarder struct {
	pods func(context.Context) ([]corev1.Pod, error)
	open func(types.NamespacedName) (podforward.Forward, error)

	mu      sync.Mutex
	current *podforward.Forward
}

// dial connects to the forwarded port, whatever the address is.
func (f *forwarder) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	forward, err := f.forward(ctx)
	if err != nil {
		return nil, err
	}
	return forward.Dial(ctx)
}

// forward returns the present port-forward, or one to another pod when that has ended.
func (f *forwarder) forward(ctx context.Context) (podforward.Forward, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.current != nil {
		select {
		case <-f.current.Ended:
			f.current = nil
		default:
			return *f.current, nil
		}
	}
	pods, err := f.pods(ctx)
	if err != nil {
		return podforward.Forward{}, fmt.Errorf("listing the gateway's pods: %w", err)
	}
	all := len(pods)
	pods = slices.DeleteFunc(pods, func(p corev1.Pod) bool { return !ready(&p) })
	if len(pods) == 0 {
		return podforward.Forward{}, fmt.Errorf("none of %d pods of the gateway is ready: see kubectl openimstack status", all)
	}
	rand.Shuffle(len(pods), func(i, j int) { pods[i], pods[j] = pods[j], pods[i] }) //nolint:gosec // spreads load
	for i := range pods {
		var opened podforward.Forward
		if opened, err = f.open(client.ObjectKeyFromObject(&pods[i])); err == nil {
			f.current = &opened
			return opened, nil
		}
	}
	return podforward.Forward{}, err
}

// gatewayOf reports whether a pod is one that the operator's Deployment made. Anybody who may create pods can give one the gateway's
// labels, and the administrator's token goes to it.
func gatewayOf(stack string, pod *corev1.Pod) bool {
	return audit.MadeBy(pod, stack, v1alpha1.ComponentGateway, snapshot.Cluster)
}

// ready reports whether a pod is ready and stays.
func ready(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp == nil && slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}
