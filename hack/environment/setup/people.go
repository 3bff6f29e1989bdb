package setup

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/truthtable"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// platform of the harness's devices: Linux, in OpenIM's numbers.
const platform = 7

// Door is a way from this machine to the users' port of one pod of a gateway. Callers write the gateway's audience, and get there.
type Door struct {
	// Pod that it leads to.
	Pod string
	// Audience of the gateway.
	Audience string
	// HTTP dials the pod, whatever the host.
	HTTP *http.Client
	// Keys of the gateway, as it publishes them. They came by the API server, which vouches for the pod.
	Keys []string
}

// Doors opens one to each ready pod of a stack's gateway. They stay open until ctx ends.
func (e *Environment) Doors(ctx context.Context, stack *v1alpha1.OpenIMStack) ([]Door, error) {
	var pods corev1.PodList
	err := e.Cluster.List(ctx, &pods, client.InNamespace(stack.Namespace),
		client.MatchingLabels{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelComponent: v1alpha1.ComponentGateway})
	if err != nil {
		return nil, fmt.Errorf("listing the gateway's pods: %w", err)
	}
	var doors []Door
	for i := range pods.Items {
		if !truthtable.Ready(&pods.Items[i]) {
			continue
		}
		door, err := e.door(ctx, stack, &pods.Items[i])
		if err != nil {
			return nil, err
		}
		doors = append(doors, door)
	}
	if len(doors) == 0 {
		return nil, fmt.Errorf("none of %d pods of the gateway is ready", len(pods.Items))
	}
	return doors, nil
}

func (e *Environment) door(ctx context.Context, stack *v1alpha1.OpenIMStack, pod *corev1.Pod) (Door, error) {
	gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
	address, err := e.Cluster.Forward(ctx, client.ObjectKeyFromObject(pod), gateway.Port(graph.UsersPort).Number)
	if err != nil {
		return Door{}, err
	}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	door := Door{
		Pod: pod.Name, Audience: stack.Spec.Wrapper.Auth.Users.Audience,
		HTTP: &http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: time.Minute},
	}
	door.Keys, err = door.published(ctx)
	return door, err
}

// published asks the gateway for its keys.
func (d Door) published(ctx context.Context) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, d.Audience+wire.WellKnownPath, nil)
	if err != nil {
		return nil, fmt.Errorf("the gateway's keys: %w", err)
	}
	response, err := d.HTTP.Do(request)
	if err != nil {
		return nil, fmt.Errorf("the gateway's keys: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, handshake.MaxWellKnownBytes))
	if err != nil {
		return nil, fmt.Errorf("the gateway's keys: %w", err)
	}
	var document handshake.WellKnown
	if err := json.Unmarshal(content, &document); err != nil || len(document.Keys) == 0 {
		return nil, fmt.Errorf("the gateway published no keys: HTTP %d %.200q", response.StatusCode, content)
	}
	var keys []string
	for _, key := range document.Keys {
		keys = append(keys, key.Key)
	}
	return keys, nil
}

// client of the gateway through this door.
func (d Door) client() (*login.Client, error) {
	return login.New(login.Options{BaseURL: d.Audience, PinnedKeys: d.Keys, HTTPClient: d.HTTP, Version: "harness"})
}

// Person is a user with one device, logged in.
type Person struct {
	UserID  string
	Device  login.Device
	Session *login.Session
}

// Enrol makes a key for a new device, registers it with a one-time code, and logs it in.
func (d Door) Enrol(ctx context.Context, user, code string) (*Person, error) {
	key, err := login.GenerateKey()
	if err != nil {
		return nil, err
	}
	p := &Person{UserID: user, Device: login.Device{Key: key, PlatformID: platform, Name: user + "'s device"}}
	c, err := d.client()
	if err != nil {
		return nil, err
	}
	if p.Session, err = c.Enrol(ctx, code, p.Device); err != nil {
		return nil, fmt.Errorf("enrolling a device of %s: %w", user, err)
	}
	return p, nil
}

// Login logs a person's device in again, by the key alone.
func (d Door) Login(ctx context.Context, p *Person) (*login.Session, error) {
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

// As is a caller at this door with a person's session, wherever that was made.
func (d Door) As(p *Person) chat.User {
	return chat.User{URL: d.Audience, Client: d.HTTP, Token: p.Session.Token()}
}

// Open opens a person's socket with a ticket for one.
func (d Door) Open(ctx context.Context, p *Person) (*chat.Socket, error) {
	var ticket struct {
		Ticket string `json:"ticket"`
	}
	reply, err := d.As(p).Post(ctx, wire.PathTickets, struct{}{})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(reply.Data, &ticket); err != nil || !reply.OK() || ticket.Ticket == "" {
		return nil, fmt.Errorf("%s got no ticket: %s", p.UserID, reply)
	}
	return chat.Open(ctx, chat.Opening{
		URL: d.Audience + wire.SocketPath, Client: d.HTTP, Ticket: ticket.Ticket, UserID: p.Session.UserID, PlatformID: p.Session.PlatformID,
	})
}

// NewPerson issues a code as an administrator and enrols a device with it.
func (d Door) NewPerson(ctx context.Context, admin chat.Admin, user string) (*Person, error) {
	code, err := admin.IssueCode(ctx, user)
	if err != nil {
		return nil, err
	}
	return d.Enrol(ctx, user, code.Code)
}
