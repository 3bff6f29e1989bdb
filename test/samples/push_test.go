package samples

import (
	"bytes"
	"context"
	"encoding/json"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
)

// pushed bounds how long a notification may take to the vendor. OpenIM sees after some seconds that a user went offline.
const pushed = 60 * time.Second

// A message to a user who is offline reaches each vendor, in a single chat and in a group; one to a user who is online does not. FCM's
// hosts are fixed in Google's library: it is led to the stand-in by HTTPS_PROXY, which that library honours.
func TestAMessageToAnOfflineUserReachesTheVendor(t *testing.T) {
	// device returns the name by which a vendor knows a user's device.
	alias := func(user string) string { return user }
	for name, c := range map[string]struct {
		push   func(v *vendors) *v1alpha1.Push
		device func(user string) string
	}{
		"fcm": {func(*vendors) *v1alpha1.Push {
			return &v1alpha1.Push{
				FCM:   &v1alpha1.FCM{CredentialsRef: v1alpha1.KeyReference{Name: "vendor", Key: "account.json"}},
				Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "127.0.0.1/32"}}},
			}
		}, func(user string) string { return "device-of-" + user }},
		"getui": {func(v *vendors) *v1alpha1.Push {
			return &v1alpha1.Push{GeTui: &v1alpha1.GeTui{
				URL: v1alpha1.PushURL(v.URL + "/v2/app"), CredentialsRef: v1alpha1.LocalReference{Name: "vendor"}, ChannelName: "News: all",
			}}
		}, alias},
		"jpush": {func(v *vendors) *v1alpha1.Push {
			return &v1alpha1.Push{JPush: &v1alpha1.JPush{
				URL: v1alpha1.PushURL(v.URL + "/v3/push"), CredentialsRef: v1alpha1.LocalReference{Name: "vendor"}, APNS: v1alpha1.APNSDevelopment,
			}}
		}, alias},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVendors(t)
			s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml")}
			s.adapt(t)
			s.stack.Spec.Push = c.push(v)
			s.more = map[string]map[string]string{"vendor": {
				"account.json": v.Account, v1alpha1.KeyAppKey: appKey, v1alpha1.KeyMasterSecret: masterSecret,
			}}
			s.options.OpenIM = func(p openim.Process) []string {
				if p.Name != openim.Push {
					return nil
				}
				return []string{"SSL_CERT_FILE=" + v.CA, "HTTPS_PROXY=" + v.Proxy}
			}
			pushes(t, loopback.New(t, s.options), v, c.device)
		})
	}
}

// pushes sends messages to users who are offline, who are online, and who went offline again.
func pushes(t *testing.T, l *loopback.Stack, v *vendors, device func(user string) string) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(l.OpenIM.Register(t.Context(), "alice", "bob", "carol")).To(Succeed())
	for _, user := range []string{"bob", "carol"} {
		token, err := l.OpenIM.UserToken(t.Context(), user, android)
		g.Expect(err).NotTo(HaveOccurred())
		l.OpenIM.As(token).Must(t, "/third/fcm_update_token", loopback.Object{
			"platformID": android, "fcmToken": "device-of-" + user, "account": user, "expireTime": 0,
		})
	}
	send := func(member, to string, session int, text string) {
		t.Helper()
		l.OpenIM.Must(t, "/msg/send_msg", loopback.Object{
			"sendID": "alice", member: to, "senderNickname": "Alice", "senderPlatformID": 1, "contentType": 101, "sessionType": session,
			"content": loopback.Object{"content": "hello"}, "offlinePushInfo": loopback.Object{"title": "Alice", "desc": text},
		})
	}
	shown := func(user, text string) func() []notification {
		return func() []notification { return v.to(device(user), text) }
	}
	one := HaveExactElements(HaveField("Title", "Alice"))

	send("recvID", "bob", 1, "to bob")
	g.Eventually(shown("bob", "to bob"), pushed, look).Should(one, "refused: %v", v.refused())
	g.Expect(v.to(device("carol"), "to bob")).To(BeEmpty())

	made := l.OpenIM.Must(t, "/group/create_group", loopback.Object{
		"ownerUserID": "alice", "memberUserIDs": []string{"bob", "carol"}, "groupInfo": loopback.Object{"groupName": "chess", "groupType": 2},
	})
	group, _ := loopback.At(made, "groupInfo", "groupID").(string)
	send("groupID", group, 3, "to all")
	for _, user := range []string{"bob", "carol"} {
		g.Eventually(shown(user, "to all"), pushed, look).Should(one, "refused: %v", v.refused())
	}
	g.Expect(v.to(device("alice"), "")).To(BeEmpty(), "the sender is not notified, and events of the group are not either")

	// While bob is online, the message comes by the socket alone.
	socket := open(t, l, "bob")
	g.Eventually(func() bool {
		send("recvID", "bob", 1, "are you there?")
		return socket.received("are you there?")
	}, pushed, time.Second).Should(BeTrue(), "OpenIM knows that bob is online")
	send("recvID", "bob", 1, "to bob online")
	g.Eventually(func() bool { return socket.received("to bob online") }, pushed, look).Should(BeTrue())
	send("groupID", group, 3, "to the others")
	g.Eventually(func() bool { return socket.received("to the others") }, pushed, look).Should(BeTrue())
	g.Eventually(shown("carol", "to the others"), pushed, look).Should(one)
	send("recvID", "carol", 1, "to carol")
	g.Eventually(shown("carol", "to carol"), pushed, look).Should(one)
	g.Expect(v.to(device("bob"), "to bob online")).To(BeEmpty())
	g.Expect(v.to(device("bob"), "to the others")).To(BeEmpty())

	// While the vendor is away, notifications are lost, and messages are not. Afterwards both arrive.
	g.Expect(v.refused()).To(BeEmpty())
	v.Away.Store(true)
	send("recvID", "carol", 1, "while the vendor is away")
	g.Eventually(v.missed.Load, pushed, look).Should(BeNumerically(">", 0))
	send("recvID", "bob", 1, "by the socket")
	g.Eventually(func() bool { return socket.received("by the socket") }, pushed, look).Should(BeTrue())
	g.Expect(socket.conn.Close(coder.StatusNormalClosure, "")).To(Succeed())
	v.Away.Store(false)
	g.Eventually(func() []notification {
		send("recvID", "bob", 1, "offline again")
		return v.to(device("bob"), "offline again")
	}, pushed, time.Second).ShouldNot(BeEmpty())
	g.Expect(l.Err()).To(Succeed(), "all twelve processes run")
}

// socket is a user's WebSocket to msggateway, with which the user is online.
type socket struct {
	conn *coder.Conn
	mu   sync.Mutex
	data [][]byte
}

func open(t *testing.T, l *loopback.Stack, user string) *socket {
	t.Helper()
	token, err := l.OpenIM.UserToken(t.Context(), user, android)
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"sendID": {user}, "token": {token}, "platformID": {"2"}, "operationID": {"push"}, "sdkType": {"js"}}
	//nolint:bodyclose // refusal closes it; that of an upgrade is the connection
	conn, _, err := coder.Dial(t.Context(), l.SocketURL+"/?"+query.Encode(), &coder.DialOptions{CompressionMode: coder.CompressionDisabled})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	s := &socket{conn: conn}
	go s.read(t.Context())
	return s
}

// read keeps the content of each frame until the socket ends.
func (s *socket) read(ctx context.Context) {
	for {
		_, text, err := s.conn.Read(ctx)
		if err != nil {
			return
		}
		var frame struct{ Data []byte }
		if json.Unmarshal(text, &frame) == nil {
			s.mu.Lock()
			s.data = append(s.data, frame.Data)
			s.mu.Unlock()
		}
	}
}

// received reports whether a frame holds a text. Frames are protobuf, in which texts are plain.
func (s *socket) received(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.data, func(data []byte) bool { return bytes.Contains(data, []byte(text)) })
}
