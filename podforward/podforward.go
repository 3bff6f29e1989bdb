package podforward

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// Forward is a forwarded port.
type Forward struct {
	// Address is host:port on this machine.
	Address string
	// Ended is closed when the forward has ended: with the context, or with the pod.
	Ended <-chan struct{}
}

// Open forwards a port of a pod to a free port of 127.0.0.1. It stays open until ctx ends or the pod does.
//
// config names the API server and the caller.
func Open(ctx context.Context, config *rest.Config, pod types.NamespacedName, port int32) (Forward, error) {
	failed := func(err error) (Forward, error) {
		return Forward{}, fmt.Errorf("port-forward to %s port %d: %w", pod, port, err)
	}
	address, err := addressOf(config, pod)
	if err != nil {
		return failed(err)
	}
	// A WebSocket (KEP-4006), or SPDY where a server or a proxy does not take it.
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return failed(err)
	}
	websocket, err := portforward.NewSPDYOverWebsocketDialer(address, config)
	if err != nil {
		return failed(err)
	}
	old := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	dialer := portforward.NewFallbackDialer(websocket, old, func(error) bool { return true })
	ready := make(chan struct{})
	forwarder, err := portforward.NewOnAddressesWithContext(
		ctx, dialer, []string{"127.0.0.1"}, []string{fmt.Sprintf("0:%d", port)}, ready, nil, io.Discard,
	)
	if err != nil {
		return failed(err)
	}
	ended := make(chan struct{})
	var end error
	go func() {
		defer close(ended)
		end = forwarder.ForwardPorts()
	}()
	select {
	case <-ready:
	case <-ended:
		return failed(end)
	case <-ctx.Done():
		return failed(context.Cause(ctx))
	}
	ports, err := forwarder.GetPorts()
	if err != nil {
		return failed(err)
	}
	return Forward{Address: fmt.Sprintf("127.0.0.1:%d", ports[0].Local), Ended: ended}, nil
}

// addressOf returns the address of a pod's subresource portforward.
func addressOf(config *rest.Config, pod types.NamespacedName) (*url.URL, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	return base.JoinPath("api/v1/namespaces", url.PathEscape(pod.Namespace), "pods", url.PathEscape(pod.Name), "portforward"), nil
}
