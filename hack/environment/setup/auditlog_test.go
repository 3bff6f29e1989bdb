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

// auditLogOf is the log of a gateway's pod: audit events among other lines.
func auditLogOf(t *testing.T, events ...auditlog.Event) []byte {
	t.Helper()
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "trail")
	l, err := auditlog.Open(
		auditlog.Options{Path: path, Program: "gateway", Log: slog.New(slog.DiscardHandler), Reg: prometheus.NewRegistry(), Now: time.Now},
	)
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
	refusedEvent = auditlog.Event{
		Kind:    auditlog.KindMessage,
		Actor:   auditlog.Actor{Role: "user", UserID: "alice"},
		Action:  auditlog.Action{Identifier: 1003},
		Outcome: auditlog.Outcome{Verdict: auditlog.Refused, ErrCode: 1002},
	}
	allowedEvent = auditlog.Event{
		Kind:    auditlog.KindCall,
		Actor:   auditlog.Actor{Role: "user", UserID: "bob"},
		Outcome: auditlog.Outcome{Verdict: auditlog.Allowed},
	}
)

func TestEventsAreFoundAmongOtherLinesOfAllPods(t *testing.T) {
	g := NewWithT(t)
	trail := AuditLog{logs: map[string][]byte{"b": auditLogOf(t, refusedEvent), "a": auditLogOf(t, allowedEvent, refusedEvent)}}
	found := trail.Find(func(e AuditEvent) bool { return e.UserID == "alice" && e.Verdict == "refused" })
	g.Expect(found).To(HaveLen(2), "a line of the request log is no event")
	g.Expect([]string{found[0].Pod, found[1].Pod}).To(Equal([]string{"a", "b"}))
	g.Expect(found[0].Identifier).To(Equal(int32(1003)))
	g.Expect(found[0].Line).To(HavePrefix(`{"audit":1`))
}

func TestAValidAuditLogIsCountedAndAChangedEventNamed(t *testing.T) {
	g := NewWithT(t)
	whole := auditLogOf(t, allowedEvent, refusedEvent)
	events, err := AuditLog{logs: map[string][]byte{"a": whole}}.Verify()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(events).To(BeNumerically(">=", 3), "both, and the beginning of the chain")

	changed := bytes.Replace(whole, []byte(`"verdict":"refused","errCode"`), []byte(`"verdict":"allowed","errCode"`), 1)
	g.Expect(changed).NotTo(Equal(whole))
	_, err = AuditLog{logs: map[string][]byte{"a": whole, "b": changed}}.Verify()
	g.Expect(err).To(MatchError(ContainSubstring("verifying the audit log of b: line 5: event 2")))

	_, err = AuditLog{logs: map[string][]byte{"a": []byte("nothing\n")}}.Verify()
	g.Expect(err).To(MatchError(ContainSubstring("holds no audit event")))
}
