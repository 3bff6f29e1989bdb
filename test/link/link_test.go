package link

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	platform = 1 // iOS
	// within bounds one call, with the first attempt of a backend that has just started.
	within = 30 * time.Second
	// revoked bounds the time until each gateway knows of a revocation.
	revoked = 5 * time.Second
)

// replicas of each role: the earlier release is number 0, this one is number 1.
var replicas = []string{"earlier", "present"}

// TestTwoReleases runs a gateway and a backend of the earlier release and of this one. With each choice of running backends, users and
// administrators do at each gateway what they do every day, and what one pair made serves at the other gateway.
func TestTwoReleases(t *testing.T) {
	g := NewWithT(t)
	program := earlierWrapper(t)
	stack, err := loopback.Start(t.Context(), loopback.Options{Wrapper: &loopback.Wrapper{
		Gateways: len(replicas), Backends: len(replicas), Hot: loopback.Generous,
		Of: func(_ string, number int) string {
			if replicas[number] == "earlier" {
				return program
			}
			return ""
		},
	}})
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() {
		if t.Failed() {
			stack.Keep()
			t.Log("the logs are kept in", stack.Logs())
		}
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	})
	pins, err := stack.Frontend.Client()
	g.Expect(err).NotTo(HaveOccurred())
	w := world{stack, pins.PinnedKeys()}

	var before []*person
	for _, phase := range []struct{ name, stopped string }{
		{"both backends", ""}, {"the earlier backend alone", "backend-1"}, {"the present backend alone", "backend-0"},
		{"both backends again", ""},
	} {
		if phase.stopped != "" {
			g.Expect(stack.Stop(phase.stopped)).To(Succeed())
		}
		for i, gateway := range replicas {
			t.Run(fmt.Sprintf("%s behind the %s gateway", phase.name, gateway), func(t *testing.T) {
				for _, p := range before {
					w.stillIn(t, p) // sessions of all earlier pairs
				}
				before = append(before, w.daily(t, i))
			})
		}
		if phase.stopped != "" {
			g.Expect(stack.Start(t.Context(), phase.stopped)).To(Succeed())
		}
	}
	g.Expect(stack.Err()).NotTo(HaveOccurred())
}

type world struct {
	*loopback.Stack
	pins []string
}

// person is a user with a session.
type person struct {
	id      string
	device  client.Device
	session *client.Session
}

func (w world) admin(t *testing.T, gateway int) chat.Admin {
	t.Helper()
	token, err := w.Frontend.AdminToken()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return chat.Admin{Address: strings.TrimPrefix(w.Frontend.Gateways[gateway].Admins, "http://"), Token: token}
}

func (w world) client(t *testing.T, gateway int) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{
		BaseURL: w.Frontend.Gateways[gateway].Users, Audience: w.Frontend.URL, PinnedKeys: w.pins, Version: "link",
	})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return c
}

func (w world) user(gateway int, p *person) chat.User {
	return chat.User{URL: w.Frontend.Gateways[gateway].Users, Client: http.DefaultClient, Token: p.session.Token()}
}

// enrol lets an administrator issue a code, and a new user enrol with it.
func (w world) enrol(ctx context.Context, t *testing.T, gateway int, name string) *person {
	t.Helper()
	g := NewWithT(t)
	id := name + strings.ToLower(rand.Text()[:10])
	issued, err := w.admin(t, gateway).IssueCode(ctx, id)
	g.Expect(err).NotTo(HaveOccurred(), "an administrator's code")
	key, err := client.GenerateKey()
	g.Expect(err).NotTo(HaveOccurred())
	p := &person{id: id, device: client.Device{Key: key, PlatformID: platform, Name: "link"}}
	p.session, err = w.client(t, gateway).Enrol(ctx, issued.Code, p.device)
	g.Expect(err).NotTo(HaveOccurred(), "the enrolment")
	return p
}

func (w world) socket(ctx context.Context, t *testing.T, gateway int, p *person) *chat.Socket {
	t.Helper()
	g := NewWithT(t)
	ticket, err := p.session.Ticket(ctx)
	g.Expect(err).NotTo(HaveOccurred(), "a ticket")
	s, err := chat.Open(ctx, chat.Opening{
		URL:    "ws" + strings.TrimPrefix(w.Frontend.Gateways[gateway].Users, "http") + wire.SocketPath,
		Client: &http.Client{}, Ticket: ticket, UserID: p.id, PlatformID: platform,
	})
	g.Expect(err).NotTo(HaveOccurred(), "a socket")
	t.Cleanup(s.Close)
	return s
}

// daily does at one gateway what users and administrators do, and returns a user who stays logged in.
func (w world) daily(t *testing.T, gateway int) *person {
	t.Helper()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*within)
	defer cancel()
	alice, bob := w.enrol(ctx, t, gateway, "alice"), w.enrol(ctx, t, gateway, "bob")
	session, err := w.client(t, gateway).Login(ctx, alice.device)
	g.Expect(err).NotTo(HaveOccurred(), "a login with the device's key")
	alice.session = session
	w.stillIn(t, alice)

	toAlice, toBob := w.socket(ctx, t, gateway, alice), w.socket(ctx, t, gateway, bob)
	words := "hello " + rand.Text()
	_, err = toAlice.Send(ctx, bob.id, words)
	g.Expect(err).NotTo(HaveOccurred(), "a message over the socket")
	got, err := toBob.Receive(ctx, func(r chat.Received) bool { return strings.Contains(r.Text, words) })
	g.Expect(err).NotTo(HaveOccurred(), "a pushed message")
	g.Expect(got.SendID).To(Equal(alice.id))

	// Refusals are the same in both directions: of the gateway, and of the backend.
	reply, err := w.user(gateway, alice).Post(ctx, wire.UserPrefix+"/user/no_such_route", struct{}{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Status).To(Equal(http.StatusNotFound), reply.String())
	reply, err = w.user(gateway, alice).Post(ctx, wire.UserPrefix+"/msg/newest_seq", map[string]any{"userID": bob.id})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.OK()).To(BeFalse(), "another user's conversations: %s", reply.String())

	admin := w.admin(t, gateway)
	devices, err := admin.Devices(ctx, bob.id)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(devices).To(HaveLen(1))
	g.Expect(admin.RevokeDevice(ctx, bob.id, bob.session.DeviceID)).To(Succeed())
	_, err = toBob.Ended(ctx)
	g.Expect(err).NotTo(HaveOccurred(), "the socket of a revoked device")
	for i, name := range replicas {
		g.Eventually(func() bool {
			reply, err := w.user(i, bob).Who(ctx)
			g.Expect(err).NotTo(HaveOccurred())
			return reply.OK()
		}).WithTimeout(revoked).Should(BeFalse(), "a revoked device at the %s gateway", name)
	}
	return alice
}

// stillIn checks that a session is good at both gateways, for what the gateway answers and for what OpenIM answers.
func (w world) stillIn(t *testing.T, p *person) {
	t.Helper()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	for i, name := range replicas {
		reply, err := w.user(i, p).Who(ctx)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(reply.OK()).To(BeTrue(), "%s at the %s gateway: %s", p.id, name, reply.String())
		profiles, err := w.user(i, p).Profiles(ctx, p.id)
		g.Expect(err).NotTo(HaveOccurred(), "%s at the %s gateway", p.id, name)
		g.Expect(profiles).To(HaveLen(1))
	}
}
