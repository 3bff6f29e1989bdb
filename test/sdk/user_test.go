package sdk

import (
	"context"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/openimsdk/openim-sdk-core/v3/open_im_sdk"
	"github.com/openimsdk/openim-sdk-core/v3/pkg/ccontext"
	"github.com/openimsdk/openim-sdk-core/v3/pkg/constant"
	"github.com/openimsdk/openim-sdk-core/v3/sdk_struct"
)

const (
	// soon bounds callbacks that the SDK makes immediately, or after one failed attempt.
	soon = 30 * time.Second
	// logErrors is the SDK's log level for errors and worse.
	logErrors = 3
)

// device is an app on a device: the official SDK and its callbacks.
type device struct {
	*events
	id       string
	platform int32
	sdk      *open_im_sdk.LoginMgr
}

var operations atomic.Int64

// install returns an app that has never run on this device.
func install(t *testing.T, id string, platform int32) *device {
	t.Helper()
	u := &device{events: &events{}, id: id, platform: platform, sdk: new(open_im_sdk.LoginMgr)}
	config := sdk_struct.IMConfig{
		SystemType: "loopback", PlatformID: platform, ApiAddr: api(), WsAddr: socket(),
		DataDir: t.TempDir(), LogLevel: logErrors, LogFilePath: t.TempDir(),
	}
	if !u.sdk.InitSDK(config, u.events) {
		t.Fatalf("the SDK refuses its configuration: %+v", config)
	}
	u.sdk.SetUserListener(u.events)
	u.sdk.SetFriendshipListener(u.events)
	u.sdk.SetGroupListener(u.events)
	u.sdk.SetConversationListener(u.events)
	u.sdk.SetAdvancedMsgListener(u.events)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s was told: %s", id, u.names())
		}
		u.sdk.Exit()
	})
	return u
}

// ctx returns the context for the SDK's functions. It never ends: the SDK uses it in the background, and has its own timeouts.
func (u *device) ctx() context.Context {
	return ccontext.WithOperationID(u.sdk.Context(), "sdk-"+strconv.FormatInt(operations.Add(1), 10))
}

// login logs in and waits until the SDK has synchronized.
func (u *device) login(t *testing.T, token string) {
	t.Helper()
	g := NewWithT(t)
	mark := u.mark()
	g.Expect(u.sdk.Login(u.ctx(), u.id, token)).To(Succeed())
	u.await(t, mark, "OnConnectSuccess")
	u.await(t, mark, "OnSyncServerFinish")
	g.Expect(u.since(mark, "OnSyncServerFailed")).To(BeEmpty())
}

func (u *device) logout(t *testing.T) {
	t.Helper()
	NewWithT(t).Expect(u.sdk.Logout(u.ctx())).To(Succeed())
}

// await waits for a callback after a mark.
func (u *device) await(t *testing.T, mark int, name string) event {
	t.Helper()
	var found []event
	NewWithT(t).Eventually(func() []event {
		found = u.since(mark, name)
		return found
	}, soon, 10*time.Millisecond).ShouldNot(BeEmpty(), "%s waits for %s", u.id, name)
	return found[0]
}

// awaitThat waits for a callback whose payload fits.
func awaitThat[T any](t *testing.T, u *device, mark int, name string, fits func(T) bool) T {
	t.Helper()
	var value T
	NewWithT(t).Eventually(func() error {
		heard := u.since(mark, name)
		for _, v := range heard {
			read, err := as[T](v)
			if err != nil {
				return err
			}
			if fits(read) {
				value = read
				return nil
			}
		}
		return fmt.Errorf("%s was called %d times, never with what %s waits for: %v", name, len(heard), u.id, heard)
	}, soon, 10*time.Millisecond).Should(Succeed())
	return value
}

// say sends a text to a user.
func (u *device) say(t *testing.T, to, text string) *sdk_struct.MsgStruct {
	t.Helper()
	return u.send(t, to, "", text)
}

// sayIn sends a text to a group.
func (u *device) sayIn(t *testing.T, group, text string) *sdk_struct.MsgStruct {
	t.Helper()
	return u.send(t, "", group, text)
}

func (u *device) send(t *testing.T, to, group, text string) *sdk_struct.MsgStruct {
	t.Helper()
	g := NewWithT(t)
	ctx := u.ctx()
	message, err := u.sdk.Conversation().CreateTextMessage(ctx, text)
	g.Expect(err).NotTo(HaveOccurred())
	sent, err := u.sdk.Conversation().SendMessage(ctx, message, to, group, nil, false)
	g.Expect(err).NotTo(HaveOccurred(), "%s says %q", u.id, text)
	g.Expect(sent.ServerMsgID).NotTo(BeEmpty())
	return sent
}

// stored waits until MongoDB has a number of texts from one user to another. OpenIM drops a message that is marked as read from its cache,
// even before msgtransfer has stored it: who pulls it in between receives a placeholder, which the SDK keeps for ever
// (open-im-server pkg/common/storage/controller, MarkSingleChatMsgsAsRead).
func stored(t *testing.T, from, to string, texts int) {
	t.Helper()
	NewWithT(t).Eventually(func() (int, error) {
		var found struct {
			Number int `json:"chatLogsNum"`
		}
		err := call(t.Context(), "/msg/search_msg", map[string]any{
			"sendID": from, "recvID": to, "contentType": constant.Text, "pagination": map[string]any{"pageNumber": 1, "showNumber": 10},
		}, &found)
		return found.Number, err
	}, soon).Should(BeNumerically(">=", texts))
}

// hears waits until a text from a user has arrived over the socket.
func (u *device) hears(t *testing.T, mark int, from, text string) sdk_struct.MsgStruct {
	t.Helper()
	return awaitThat(t, u, mark, "OnRecvNewMessage", func(m sdk_struct.MsgStruct) bool {
		return m.SendID == from && m.TextElem != nil && m.TextElem.Content == text
	})
}

// texts of a conversation's history, oldest first.
func (u *device) history(conversation string, count int) ([]string, error) {
	list, err := u.sdk.Conversation().GetAdvancedHistoryMessageList(u.ctx(), historyOf(conversation, count))
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, m := range list.MessageList {
		if m.TextElem != nil {
			texts = append(texts, m.TextElem.Content)
		}
	}
	return texts, nil
}
