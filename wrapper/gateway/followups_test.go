package gateway

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func (f *followUps) count(result string) float64 {
	return testutil.ToFloat64(f.results.WithLabelValues(result))
}

func TestWhileOpenIMIsWellARevocationWaitsForItsLogout(t *testing.T) {
	g := NewWithT(t)
	b := newLogouts(slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	done := false
	b.start(t.Context(), "r-1", func(context.Context) error { done = true; return nil })
	g.Expect(done).To(BeTrue())
	g.Expect(b.count("ok")).To(Equal(1.0))
}

func TestWhileOpenIMHangsNoCallWaitsAndNoFollowUpsPileUp(t *testing.T) {
	g := NewWithT(t)
	var log bytes.Buffer
	b := newLogouts(slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry())
	hang := make(chan struct{})
	request, leave := context.WithCancel(t.Context())
	leave() // the caller has gone
	for range maxFollowUps {
		b.start(request, "r-1", func(ctx context.Context) error {
			<-hang
			return ctx.Err() // it did not end with the request
		})
	}
	b.start(request, "r-2", func(context.Context) error { t.Error("there is no place"); return nil })
	g.Expect(b.count("left_out")).To(Equal(1.0))
	g.Expect(log.String()).To(ContainSubstring("requestID=r-2"))

	ended := make(chan struct{})
	stopped, stop := context.WithCancel(t.Context())
	go func() { defer close(ended); b.Run(stopped) }()
	stop()
	g.Consistently(ended, 50*time.Millisecond).ShouldNot(BeClosed(), "a stop waits for those on their way")
	close(hang)
	g.Eventually(ended).Should(BeClosed())
	g.Expect(b.count("ok")).To(BeNumerically("==", maxFollowUps))
	b.start(t.Context(), "r-3", func(context.Context) error { return errors.New("OpenIM says no") })
	g.Expect(b.count("failed")).To(Equal(1.0))
	g.Expect(log.String()).To(And(ContainSubstring("requestID=r-3"), ContainSubstring("OpenIM says no")))
}

// TestARevocationDoesNotWaitForAnOpenIMThatHangs: it holds, and is answered, while the logout is still on its way.
func TestARevocationDoesNotWaitForAnOpenIMThatHangs(t *testing.T) {
	g := NewWithT(t)
	h := newUsersEnv(t, nil)
	here, _ := h.login(t, "alice")
	there, _ := h.login(t, "alice")
	goOn := make(chan struct{})
	h.back.hold(internalapi.PathForceLogout, goOn)
	defer close(goOn)
	began := time.Now()
	status, e := h.post(t, wire.PathRevokeSessions, here, `{"scope":"user"}`)
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(e.ErrCode).To(BeZero(), e.ErrMsg)
	g.Expect(time.Since(began)).To(BeNumerically("<", followUpDeadline/2), "it waits for no logout")
	_, e = h.post(t, wire.PathSession, there, `{}`)
	g.Expect(e.ErrCode).To(Equal(wire.CodeTokenKicked))
	g.Eventually(func() int { return h.back.calls(internalapi.PathForceLogout) }).Should(Equal(1), "OpenIM was called")
}
