package gateway

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// headStore is a backend that keeps heads, or does not answer.
type headStore struct {
	mu   sync.Mutex
	down bool
	kept []internalapi.AuditHead
}

func (k *headStore) register(_ context.Context, head internalapi.AuditHead) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.down {
		return errors.New("it does not answer")
	}
	k.kept = append(k.kept, head)
	return nil
}

// TestTheHeadIsRegisteredWhileTheAuditLogIsWrittenAndAtItsEnd: the loss of an unregistered head goes unnoticed.
func TestTheHeadIsRegisteredWhileTheAuditLogIsWrittenAndAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		log, reg := slog.New(slog.DiscardHandler), prometheus.NewRegistry()
		auditLog, err := auditlog.Open(auditlog.Options{Path: filepath.Join(t.TempDir(), "audit"), Log: log, Reg: reg, Now: time.Now})
		g.Expect(err).NotTo(HaveOccurred())
		backend := &headStore{}
		k := newHeadRegistrar(auditLog, "gateway v1", backend.register, log, reg, time.Now)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { k.run(ctx); close(ended) }()
		time.Sleep(headRetryInterval + time.Second) //nolint:forbidigo // the clock is the bubble's: synctest
		synctest.Wait()
		g.Expect(backend.kept).To(HaveLen(1))
		g.Expect(backend.kept[0]).To(And(HaveField("Seq", uint64(0)), HaveField("Program", "gateway v1"), HaveField("Ended", false)))

		emit := func() {
			g.Expect(auditLog.Emit(auditlog.Event{Kind: auditlog.KindCall})).To(Succeed())
		}
		time.Sleep(3 * headInterval) //nolint:forbidigo // the clock is the bubble's: synctest
		synctest.Wait()
		g.Expect(backend.kept).To(HaveLen(1), "nothing is new")
		emit()
		time.Sleep(headInterval) //nolint:forbidigo // the clock is the bubble's: synctest
		synctest.Wait()
		g.Expect(backend.kept).To(HaveLen(2))
		g.Expect(backend.kept[1].Seq).To(Equal(uint64(1)))

		// The backend is away for a while: it is tried again, and the audit log is written meanwhile.
		backend.mu.Lock()
		backend.down = true
		backend.mu.Unlock()
		emit()
		time.Sleep(2 * headInterval) //nolint:forbidigo // the clock is the bubble's: synctest
		g.Expect(auditLog.Admit()).To(Succeed())
		backend.mu.Lock()
		backend.down = false
		backend.mu.Unlock()
		time.Sleep(2 * headRetryInterval) //nolint:forbidigo // the clock is the bubble's: synctest
		synctest.Wait()
		g.Expect(backend.kept).To(HaveLen(3))
		g.Expect(testutil.ToFloat64(k.results.WithLabelValues("failed"))).To(BeNumerically(">", 0))

		emit()
		cancel()
		<-ended
		g.Expect(backend.kept).To(HaveLen(4))
		g.Expect(backend.kept[3]).To(And(HaveField("Seq", uint64(4)), HaveField("Ended", true)))
	})
}

func TestAnAdministratorGetsTheHeads(t *testing.T) {
	g := NewWithT(t)
	o := newAdminEnv(t)
	status, e := o.command(t, wire.PathAdminAuditHeads, `{}`, nil)
	g.Expect(status).To(Equal(200), e.ErrMsg)
	g.Expect(o.back.calls(internalapi.PathListHeads)).To(Equal(1))
	status, _ = o.command(t, wire.PathAdminAuditHeads, `{"since":-1}`, nil)
	g.Expect(status).To(Equal(400))
	status, _ = o.command(t, wire.PathAdminAuditHeads, `{}`, map[string]any{"groups": []string{"others"}})
	g.Expect(status).To(Equal(403))
}
