package podforward

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/httpstream" //nolint:staticcheck // the types of client-go's dialers
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

// Forward is a forwarded port.
type Forward struct {
	// Dial returns a new connection to the port of the pod. It never leads anywhere else: when the forward has ended, it fails.
	Dial func(context.Context) (net.Conn, error)
	// Ended is closed when the forward has ended: with the context, with the pod, or after the port refused a connection.
	Ended <-chan struct{}
}

// Open forwards a port of a pod. The forward stays open until ctx ends or the pod does.
//
// config names the API server and the caller.
func Open(ctx context.Context, config *rest.Config, pod types.NamespacedName, port int32) (Forward, error) {
	failed := func(err error) (Forward, error) {
		return Forward{}, fmt.Errorf("port-forward to %s port %d: %w", pod, port, err)
	}
	dialer, err := dialerOf(config, pod)
	if err != nil {
		return failed(err)
	}
	type dialed struct {
		connection httpstream.Connection
		err        error
	}
	result := make(chan dialed, 1)
	go func() {
		connection, protocol, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		if err == nil && protocol != portforward.PortForwardProtocolV1Name {
			_ = connection.Close()
			err = fmt.Errorf("the API server speaks %.64q, not %s", protocol, portforward.PortForwardProtocolV1Name)
		}
		result <- dialed{connection, err}
	}()
	var got dialed
	select {
	case got = <-result:
	case <-ctx.Done():
		go func() {
			if late := <-result; late.err == nil {
				_ = late.connection.Close()
			}
		}()
		return failed(context.Cause(ctx))
	}
	if got.err != nil {
		return failed(got.err)
	}
	stop := context.AfterFunc(ctx, func() { _ = got.connection.Close() })
	ended := make(chan struct{})
	go func() {
		<-got.connection.CloseChan()
		stop()
		close(ended)
	}()
	s := &session{connection: got.connection, port: port, ended: ended}
	return Forward{Dial: s.dial, Ended: ended}, nil
}

// dialerOf returns what opens the connection to a pod's subresource portforward: a WebSocket (KEP-4006), or SPDY where a server or a proxy
// does not take it.
func dialerOf(config *rest.Config, pod types.NamespacedName) (httpstream.Dialer, error) {
	address, err := addressOf(config, pod)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(config)
	if err != nil {
		return nil, err
	}
	websocket, err := portforward.NewSPDYOverWebsocketDialer(address, config)
	if err != nil {
		return nil, err
	}
	old := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	return portforward.NewFallbackDialer(websocket, old, func(error) bool { return true }), nil
}

// addressOf returns the address of a pod's subresource portforward.
func addressOf(config *rest.Config, pod types.NamespacedName) (*url.URL, error) {
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, err
	}
	return base.JoinPath("api/v1/namespaces", url.PathEscape(pod.Namespace), "pods", url.PathEscape(pod.Name), "portforward"), nil
}
