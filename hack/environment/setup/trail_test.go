package setup

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
)

// trailOf is the log of a gateway's pod: its trail among other lines.
func trailOf(t *testing.T, events ...auditlog.Event) []byte {
	t.Helper()
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "trail")
	l, err := auditlog.Open(auditlog.Options{Path: path, Program: "gateway", Log: slog.New(slog.DiscardHandler), Reg: prometheus.NewRegistry(), Now: time.Now})
	g.Expect(err).NotTo(HaveOccurred())
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { l.Run(ctx); close(done) }()
	for _, event := range events {
		g.Expect(l.Emit(event)).To(Succeed())
	}
	stop()
	<-done
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	return append([]byte("{\"msg\":\"serving\",\"userID\":\"alice\",\"verdict\":\"refused\"}\nnot JSON\n"), content...)
}

var (
	refusedEvent = auditlog.Event{Kind: auditlog.KindMessage, Who: auditlog.Who{Role: "user", UserID: "alice"}, What: auditlog.What{Identifier: 1003}, Outcome: auditlog.Outcome{Verdict: auditlog.Refused, ErrCode: 1002}}
	allowedEvent = auditlog.Event{Kind: auditlog.KindCall, Who: auditlog.Who{Role: "user", UserID: "bob"}, Outcome: auditlog.Outcome{Verdict: auditlog.Allowed}}
)

func TestEventsAreFoundAmongOtherLinesOfAllPods(t *testing.T) {
	g := NewWithT(t)
	trail := Trail{logs: map[string][]byte{"b": trailOf(t, refusedEvent), "a": trailOf(t, allowedEvent, refusedEvent)}}
	found := trail.Find(func(e Entry) bool { return e.UserID == "alice" && e.Verdict == "refused" })
	g.Expect(found).To(HaveLen(2), "a line of the request log is no event")
	g.Expect([]string{found[0].Pod, found[1].Pod}).To(Equal([]string{"a", "b"}))
	g.Expect(found[0].Identifier).To(Equal(int32(1003)))
	g.Expect(found[0].Line).To(HavePrefix(`{"audit":1`))
}

func TestAWholeTrailIsCountedAndAChangedOneNamed(t *testing.T) {
	g := NewWithT(t)
	whole := trailOf(t, allowedEvent, refusedEvent)
	events, err := Trail{logs: map[string][]byte{"a": whole}}.Verify()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(BeNumerically(">=", 3), "both, and the beginning of the chain")

	changed := bytes.Replace(whole, []byte(`"verdict":"refused","errCode"`), []byte(`"verdict":"allowed","errCode"`), 1)
	g.Expect(changed).NotTo(Equal(whole))
	_, err = Trail{logs: map[string][]byte{"a": whole, "b": changed}}.Verify()
	g.Expect(err).To(MatchError(ContainSubstring("the audit trail of b is not as it was written")))

	_, err = Trail{logs: map[string][]byte{"a": []byte("nothing\n")}}.Verify()
	g.Expect(err).To(MatchError(ContainSubstring("holds no event")))
}
