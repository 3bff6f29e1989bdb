package gateway

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// brokenWriter is a standard output that nobody may take.
type brokenWriter struct{ broken atomic.Bool }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.broken.Load() {
		return 0, errors.New("nobody reads")
	}
	return len(p), nil
}

// TestNothingPrivateIsReadWhileTheAuditLogCannotBeWritten: neither of the gateway's own routes nor of OpenIM's; when the audit log is
// written again, both are read again.
func TestNothingPrivateIsReadWhileTheAuditLogCannotBeWritten(t *testing.T) {
	g := NewWithT(t)
	o := newAdminEnv(t)
	sink := &brokenWriter{}
	sink.broken.Store(true)
	auditLog, err := auditlog.Open(auditlog.Options{Path: auditlog.Stdout, Stdout: sink, Log: slog.New(slog.DiscardHandler),
		Reg: prometheus.NewRegistry(), Now: time.Now})
	g.Expect(err).NotTo(HaveOccurred())
	o.services.auditLog = auditLog
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { auditLog.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	g.Eventually(auditLog.Admit).ShouldNot(Succeed())

	private := 0
	for _, route := range routes.Table {
		if route.Audit != routes.AuditPrivate || !route.For(routes.Admin) {
			continue
		}
		private++
		status, _ := o.command(t, wire.AdminPrefix+route.Path, `{}`, nil)
		g.Expect(status).To(Equal(http.StatusServiceUnavailable), route.Path)
	}
	g.Expect(private).To(BeNumerically(">", 0))
	status, e := o.command(t, wire.PathAdminDevices, `{"userID":"alice"}`, nil)
	g.Expect(status).To(Equal(http.StatusServiceUnavailable), e.ErrMsg)
	g.Expect(o.back.asked).To(BeEmpty())

	sink.broken.Store(false)
	g.Eventually(auditLog.Admit, time.Minute).Should(Succeed())
	status, e = o.command(t, wire.PathAdminDevices, `{"userID":"alice"}`, nil)
	g.Expect(status).To(Equal(http.StatusOK), e.ErrMsg)
}
