package setup

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
)

func (e *Environment) anyPod(ctx context.Context, where ...client.ListOption) (*corev1.Pod, error) {
	var pods corev1.PodList
	if err := e.Cluster.List(ctx, &pods, where...); err != nil {
		return nil, fmt.Errorf("listing pods: %w", err)
	}
	for i := range pods.Items {
		if truthtable.Ready(&pods.Items[i]) {
			return &pods.Items[i], nil
		}
	}
	return nil, fmt.Errorf("no ready pod among %d (%v)", len(pods.Items), where)
}

// ForwardComponent forwards a port of a component to this machine and returns its local address. The forward stays open until ctx ends.
func (e *Environment) ForwardComponent(ctx context.Context, stack client.ObjectKey, component, port string) (string, error) {
	c, _ := graph.Lookup(component)
	pod, err := e.ReadyPod(ctx, stack, component)
	if err != nil {
		return "", fmt.Errorf("%s: %w", component, err)
	}
	return e.Cluster.Forward(ctx, client.ObjectKeyFromObject(pod), c.Port(port).Number)
}

// ForwardService forwards the pod behind an address of the form service.namespace.svc:port to this machine and returns its local address.
func (e *Environment) ForwardService(ctx context.Context, address v1alpha1.Address) (string, error) {
	host, portText, err := net.SplitHostPort(string(address))
	if err != nil {
		return "", fmt.Errorf("address %s: %w", address, err)
	}
	number, err := strconv.ParseInt(portText, 10, 32)
	if err != nil {
		return "", fmt.Errorf("address %s: %w", address, err)
	}
	parts := strings.Split(host, ".")
	if len(parts) < 2 {
		return "", fmt.Errorf("address %s names no Service: it can be reached from inside the cluster only", address)
	}
	var service corev1.Service
	key := types.NamespacedName{Namespace: parts[1], Name: parts[0]}
	if err := e.Cluster.Get(ctx, key, &service); err != nil {
		return "", fmt.Errorf("address %s: %w", address, err)
	}
	for _, port := range service.Spec.Ports {
		if int64(port.Port) == number && port.TargetPort.Type == intstr.Int && port.TargetPort.IntVal != 0 {
			number = int64(port.TargetPort.IntVal)
		}
	}
	pod, err := e.anyPod(ctx, client.InNamespace(key.Namespace), client.MatchingLabels(service.Spec.Selector))
	if err != nil {
		return "", fmt.Errorf("address %s: %w", address, err)
	}
	return e.Cluster.Forward(ctx, client.ObjectKeyFromObject(pod), int32(number))
}

// Admin returns an administrator's client of a stack's gateway. Its port-forward stays open until ctx ends.
func (e *Environment) Admin(ctx context.Context, stack *v1alpha1.OpenIMStack) (chat.Admin, error) {
	token, err := e.Token(stack, nil)
	if err != nil {
		return chat.Admin{}, err
	}
	address, err := e.ForwardComponent(ctx, client.ObjectKeyFromObject(stack), v1alpha1.ComponentGateway, graph.AdminPort)
	return chat.Admin{Address: address, Token: token}, err
}
