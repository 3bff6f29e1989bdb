package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// platform is OpenIM's number of Linux, the platform of the test users' devices.
const platform = 7

// Gateway is a port-forward from this machine to the users' listener of one pod of a gateway. Requests to the gateway's audience arrive
// there.
type Gateway struct {
	// Pod is the name of the gateway's pod.
	Pod string
	// Audience of the gateway.
	Audience string
	// HTTP dials the pod, whatever the host of the URL is.
	HTTP *http.Client
	// Keys are the gateway's published keys. They were read through the API server's port-forward, which authenticates the pod.
	Keys []string
}

// Gateways opens a port-forward to each ready pod of a stack's gateway. They stay open until ctx ends.
func (e *Environment) Gateways(ctx context.Context, stack *v1alpha1.OpenIMStack) ([]Gateway, error) {
	var pods corev1.PodList
	err := e.Cluster.List(ctx, &pods, client.InNamespace(stack.Namespace),
		client.MatchingLabels{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelComponent: v1alpha1.ComponentGateway})
	if err != nil {
		return nil, fmt.Errorf("listing the gateway's pods: %w", err)
	}
	var gateways []Gateway
	for i := range pods.Items {
		if !truthtable.Ready(&pods.Items[i]) {
			continue
		}
		gateway, err := e.gatewayOf(ctx, stack, &pods.Items[i])
		if err != nil {
			return nil, err
		}
		gateways = append(gateways, gateway)
	}
	if len(gateways) == 0 {
		return nil, fmt.Errorf("none of %d pods of the gateway is ready", len(pods.Items))
	}
	return gateways, nil
}

func (e *Environment) gatewayOf(ctx context.Context, stack *v1alpha1.OpenIMStack, pod *corev1.Pod) (Gateway, error) {
	component, _ := graph.Lookup(v1alpha1.ComponentGateway)
	address, err := e.Cluster.Forward(ctx, client.ObjectKeyFromObject(pod), component.Port(graph.UsersPort).Number)
	if err != nil {
		return Gateway{}, err
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	gateway := Gateway{
		Pod: pod.Name, Audience: stack.Spec.Wrapper.Auth.Users.Audience,
		HTTP: &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: time.Minute},
	}
	gateway.Keys, err = login.PublishedKeys(ctx, login.Options{BaseURL: gateway.Audience, HTTPClient: gateway.HTTP})
	return gateway, err
}

// client returns a login client for the gateway.
func (d Gateway) client() (*login.Client, error) {
	return login.New(login.Options{BaseURL: d.Audience, PinnedKeys: d.Keys, HTTPClient: d.HTTP, Version: "environment"})
}

// User is a test user with one enrolled device and its session.
type User struct {
	UserID  string
	Device  login.Device
	Session *login.Session
}

// Enrol generates a key for a new device, enrols the device with a one-time code, and logs it in.
func (d Gateway) Enrol(ctx context.Context, user, code string) (*User, error) {
	key, err := login.GenerateKey()
	if err != nil {
		return nil, err
	}
	p := &User{UserID: user, Device: login.Device{Key: key, PlatformID: platform, Name: user + "'s device"}}
	c, err := d.client()
	if err != nil {
		return nil, err
	}
	if p.Session, err = c.Enrol(ctx, code, p.Device); err != nil {
		return nil, fmt.Errorf("enrolling a device of %s: %w", user, err)
	}
	return p, nil
}

// Login logs a user's device in again, with its key alone.
func (d Gateway) Login(ctx context.Context, p *User) (*login.Session, error) {
	c, err := d.client()
	if err != nil {
		return nil, err
	}
	session, err := c.Login(ctx, p.Device)
	if err != nil {
		return nil, fmt.Errorf("logging %s in: %w", p.UserID, err)
	}
	return session, nil
}

// As returns a caller at this pod with the user's session. The session may have been created at another pod.
func (d Gateway) As(p *User) chat.User {
	return chat.User{URL: d.Audience, Client: d.HTTP, Token: p.Session.Token()}
}

// openWithin bounds how long OpenSoon tries while the answer is to try again. On a machine that starts a stack's pods, Redis now and then
// waits for longer than the wrapper's timeout.
const openWithin = 20 * time.Second

// OpenSoon opens the user's socket as an application would: it tries again when the gateway says so.
func (d Gateway) OpenSoon(ctx context.Context, p *User) (socket *chat.Socket, err error) {
	_ = wait.PollUntilContextTimeout(ctx, time.Second, openWithin, true, func(ctx context.Context) (bool, error) {
		socket, err = d.Open(ctx, p)
		return !errors.Is(err, errTryAgain), nil
	}) // the last attempt's error says more
	return socket, err
}

// errTryAgain is the cause when the gateway cannot tell now.
var errTryAgain = errors.New("try again")

// Open requests a ticket and opens the user's socket with it.
func (d Gateway) Open(ctx context.Context, p *User) (*chat.Socket, error) {
	var ticket struct {
		Ticket string `json:"ticket"`
	}
	reply, err := d.As(p).Post(ctx, wire.PathTickets, struct{}{})
	if err != nil {
		return nil, err
	}
	if reply.Status == http.StatusServiceUnavailable {
		return nil, fmt.Errorf("%s got no ticket: %s: %w", p.UserID, reply, errTryAgain)
	}
	if err := json.Unmarshal(reply.Data, &ticket); err != nil || !reply.OK() || ticket.Ticket == "" {
		return nil, fmt.Errorf("%s got no ticket: %s", p.UserID, reply)
	}
	return chat.Open(ctx, chat.Opening{
		URL: d.Audience + wire.SocketPath, Client: d.HTTP, Ticket: login.Ticket{Text: ticket.Ticket},
		UserID: p.Session.UserID, PlatformID: p.Session.PlatformID,
	})
}

// NewUser issues an enrolment code as an administrator and enrols a device with it.
func (d Gateway) NewUser(ctx context.Context, admin chat.Admin, user string) (*User, error) {
	code, err := admin.IssueCode(ctx, user)
	if err != nil {
		return nil, err
	}
	return d.Enrol(ctx, user, code.Code)
}
