package samples

import (
	"context"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/gateway"
)

// OpenIM's platforms of the test.
const (
	ios     = 1
	android = 2
	windows = 3
	macOS   = 4
	web     = 5
)

// device is a user's device with its session and socket.
type device struct {
	c       *client.Client
	of      client.Device
	session *client.Session
	socket  *chat.Socket
}

// The second login of a user under each policy ends the first one or leaves it, with the real OpenIM behind gateway and backend. What
// remains receives a message, and the device that was logged out logs in again.
func TestTheSecondLoginUnderEachPolicy(t *testing.T) {
	for _, c := range []struct {
		policy        v1alpha1.MultiLogin
		first, second int32
		ends          bool
	}{
		{v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginUnlimited}, android, android, false},
		{v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerPlatform}, android, android, true},
		{v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerPlatform}, android, ios, false},
		{v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerClass}, android, ios, true},
		{v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerClass}, android, windows, false},
		{v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginComputerAndOne}, android, web, true},
		{v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginComputerAndOne}, windows, macOS, false},
	} {
		name := string(c.policy.Policy) + map[bool]string{true: " ends", false: " leaves"}[c.ends]
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c.policy.Enforcement = v1alpha1.EnforcementEnforce
			l := withMultiLogin(t, c.policy)
			g.Expect(l.OpenIM.Register(t.Context(), "bob")).To(Succeed())
			first, second := enrol(t, l, "alice", c.first), enrol(t, l, "alice", c.second)
			if !c.ends {
				g.Expect(first.session.Check(t.Context())).To(Succeed())
				g.Expect(first.hears(t, l, "to the first")).To(BeTrue())
				g.Expect(second.hears(t, l, "to the second")).To(BeTrue())
				return
			}
			first.replaced(t)
			g.Expect(second.hears(t, l, "to the second")).To(BeTrue())

			first.login(t, l)
			second.replaced(t)
			g.Expect(first.hears(t, l, "to the first, which is back")).To(BeTrue(), "the device that was logged out is logged in again")
			first.login(t, l)
			g.Expect(first.hears(t, l, "to the first, logged in twice")).To(BeTrue(), "a device does not end itself")
			g.Expect(l.Err()).To(Succeed())
		})
	}
}

func TestAPolicyThatIsReportedEndsNothing(t *testing.T) {
	g := NewWithT(t)
	l := withMultiLogin(t, v1alpha1.MultiLogin{Policy: v1alpha1.MultiLoginOnePerClass, Enforcement: v1alpha1.EnforcementReport})
	g.Expect(l.OpenIM.Register(t.Context(), "bob")).To(Succeed())
	first, second := enrol(t, l, "alice", android), enrol(t, l, "alice", ios)
	g.Expect(first.hears(t, l, "to the first")).To(BeTrue())
	g.Expect(second.hears(t, l, "to the second")).To(BeTrue())
}

// withMultiLogin starts OpenIM with a policy, and the wrapper with the policy as the operator renders it.
func withMultiLogin(t *testing.T, m v1alpha1.MultiLogin) *loopback.Stack {
	t.Helper()
	s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml")}
	s.adapt(t)
	s.stack.Spec.Settings = &v1alpha1.Settings{MultiLogin: &m}
	withUsers := s.stack.DeepCopy() // OpenIM's own configuration needs none of what users need
	withUsers.Spec.Wrapper = v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: &v1alpha1.UserAuth{}}}
	text, err := manifests.Hot(withUsers)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(string(text)).To(ContainSubstring("policy: " + string(m.Policy)))
	s.options.Wrapper = &loopback.Wrapper{Gateways: 2, Backends: 2, Hot: func(hot *gateway.Hot) {
		NewWithT(t).Expect(yaml.UnmarshalStrict(text, hot)).To(Succeed())
		loopback.Generous(hot)
	}}
	return loopback.New(t, s.options)
}

// enrol gives a user one more device, and opens its socket.
func enrol(t *testing.T, l *loopback.Stack, user string, platform int32) *device {
	t.Helper()
	g := NewWithT(t)
	admin, err := l.Frontend.Admin()
	g.Expect(err).NotTo(HaveOccurred())
	address := strings.TrimPrefix(l.Frontend.Gateways[0].Admins, "http://")
	issued, err := chat.Admin{Address: address, Token: admin.Bearer}.IssueCode(t.Context(), user)
	g.Expect(err).NotTo(HaveOccurred())
	key, err := client.GenerateKey()
	g.Expect(err).NotTo(HaveOccurred())
	d := &device{of: client.Device{Key: key, PlatformID: platform, Name: "a device"}}
	d.c, err = l.Frontend.Client()
	g.Expect(err).NotTo(HaveOccurred())
	d.session, err = d.c.Enrol(t.Context(), issued.Code, d.of)
	g.Expect(err).NotTo(HaveOccurred())
	d.open(t, l)
	return d
}

func (d *device) login(t *testing.T, l *loopback.Stack) {
	t.Helper()
	time.Sleep(2 * time.Millisecond) //nolint:forbidigo // logins are ordered by the millisecond of a clock
	var err error
	d.session, err = d.c.Login(t.Context(), d.of)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	d.open(t, l)
}

func (d *device) open(t *testing.T, l *loopback.Stack) {
	t.Helper()
	ticket, err := d.session.Ticket(t.Context())
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	d.socket, err = chat.Open(t.Context(), chat.Opening{URL: l.Frontend.SocketURL(), Ticket: ticket, UserID: d.session.UserID})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(d.socket.Close)
}

// replaced checks that the device was logged out, and told why.
func (d *device) replaced(t *testing.T) {
	t.Helper()
	g := NewWithT(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	end, err := d.socket.Ended(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(end.Code).To(Equal(4401), end.String())
	g.Expect(end.Reason).To(Equal("replaced"))
	g.Eventually(func() error { return d.session.Check(t.Context()) }, 5*time.Second).Should(MatchError(client.ErrReplaced))
}

// hears reports whether a message from bob reaches the device's socket.
func (d *device) hears(t *testing.T, l *loopback.Stack, words string) bool {
	t.Helper()
	message := loopback.Object{
		"sendID": "bob", "recvID": "alice", "senderNickname": "Bob", "senderPlatformID": 1, "contentType": 101, "sessionType": 1,
		"content": loopback.Object{"content": words},
	}
	l.OpenIM.Must(t, "/msg/send_msg", message)
	ctx, cancel := context.WithTimeout(t.Context(), arrival)
	defer cancel()
	_, err := d.socket.Receive(ctx, func(r chat.Received) bool { return r.Text == words })
	if err != nil {
		t.Log(words, err)
	}
	return err == nil
}
