package samples

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
)

// hooked is one call of OpenIM to the receiver.
type hooked struct{ Command, Content, Receiver string }

// receiver answers webhooks: it refuses messages with the word "spam", and waits when it is told to.
type receiver struct {
	slow atomic.Bool
	mu   sync.Mutex
	got  []hooked
}

func (h *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Content string
		RecvID  string
	}
	_ = json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&body)
	h.mu.Lock()
	h.got = append(h.got, hooked{strings.TrimPrefix(r.URL.Path, "/openim/"), body.Content, body.RecvID})
	h.mu.Unlock()
	if h.slow.Load() {
		select {
		case <-time.After(10 * time.Second):
		case <-r.Context().Done():
		}
	}
	if strings.Contains(body.Content, "spam") {
		answer(w, map[string]any{"actionCode": 0, "errCode": 5001, "errMsg": "not here", "errDlt": "", "nextCode": 1})
		return
	}
	answer(w, map[string]any{"actionCode": 0, "errCode": 0, "errMsg": "", "errDlt": "", "nextCode": 0})
}

func (h *receiver) calls(command string) (found []hooked) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range h.got {
		if c.Command == command {
			found = append(found, c)
		}
	}
	return found
}

// A webhook before a message refuses it and lets the next one pass; one that takes too long refuses, too, until it answers again. Types of
// messages and hooks that the spec does not name are not asked for.
func TestAWebhookDecidesAboutMessages(t *testing.T) {
	g := NewWithT(t)
	h := &receiver{}
	server := httptest.NewUnstartedServer(h)
	ca := serveTLS(t, server)
	s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml")}
	s.adapt(t)
	s.stack.Spec.Webhooks = &v1alpha1.Webhooks{URL: server.URL + "/openim", Via: v1alpha1.WebhooksViaOpenIM, Hooks: []v1alpha1.Hook{
		{Name: "beforeSendSingleMsg", TimeoutSeconds: ptr.To[int32](1), ContentTypes: []v1alpha1.ContentTypes{"101-105"}},
		{Name: "afterSendSingleMsg", UserIDs: []string{"carol"}},
	}}
	s.options.OpenIM = func(openim.Process) []string { return []string{"SSL_CERT_FILE=" + ca} }
	l := loopback.New(t, s.options)
	g.Expect(l.OpenIM.Register(t.Context(), "alice", "bob", "carol")).To(Succeed())
	send := func(to string, kind int, text string) error {
		content := loopback.Object{"content": text}
		if kind != 101 {
			content = loopback.Object{"data": text, "description": "d", "extension": "e"}
		}
		_, err := l.OpenIM.Call(t.Context(), "/msg/send_msg", loopback.Object{
			"sendID": "alice", "recvID": to, "senderNickname": "Alice", "senderPlatformID": 1, "contentType": kind, "sessionType": 1,
			"content": content,
		})
		return err
	}
	const before, after = "callbackBeforeSendSingleMsgCommand", "callbackAfterSendSingleMsgCommand"

	g.Expect(send("bob", 101, "hello")).To(Succeed())
	g.Expect(h.calls(before)).To(ConsistOf(And(HaveField("Content", ContainSubstring("hello")), HaveField("Receiver", "bob"))))
	g.Expect(send("bob", 101, "spam")).To(MatchError(ContainSubstring("5001")))
	g.Expect(send("bob", 101, "hello again")).To(Succeed(), "the next one passes")
	g.Expect(send("bob", 110, "spam of another type")).To(Succeed(), "types that are not named are not asked for")
	g.Expect(h.calls(before)).To(HaveLen(3))

	h.slow.Store(true)
	start := time.Now()
	g.Expect(send("bob", 101, "too slow")).NotTo(Succeed(), "a webhook that does not answer refuses")
	g.Expect(time.Since(start)).To(BeNumerically("<", 5*time.Second), "the timeout of the spec")
	h.slow.Store(false)
	g.Expect(send("bob", 101, "fast again")).To(Succeed())

	g.Expect(send("carol", 101, "to carol")).To(Succeed())
	g.Eventually(func() []hooked { return h.calls(after) }, pushed, look).Should(ConsistOf(HaveField("Receiver", "carol")), "bob is not named")
	h.mu.Lock()
	defer h.mu.Unlock()
	others := slices.ContainsFunc(h.got, func(c hooked) bool { return c.Command != before && c.Command != after })
	g.Expect(others).To(BeFalse(), "no other hook is called")
	g.Expect(l.Err()).To(Succeed(), "all twelve processes run")
}
