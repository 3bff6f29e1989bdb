package gateway

import (
	"context"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	// headRetryInterval is when the first head is registered after the start, and the pause before another attempt.
	headRetryInterval = time.Second
	// headInterval is how often a changed head is registered.
	headInterval = time.Minute
	// headMaxAge is how often an unchanged head is registered, so that the backend does not forget it.
	headMaxAge = 24 * time.Hour
	// headShutdownTimeout bounds the registration of the last head at a stop.
	headShutdownTimeout = 2 * time.Second
)

// headRegistrar runs the audit log and registers its head with the backend: soon after the start, once a minute, and at the end. With the
// heads, an audit log of which the end was cut off is noticed.
type headRegistrar struct {
	auditLog *auditlog.Log
	register registerHead
	program  string
	instance string
	now      func() time.Time
	log      *slog.Logger
	results  *prometheus.CounterVec

	registered   auditlog.Head
	registeredAt time.Time
	failing      bool
}

// registerHead registers a head.
type registerHead func(context.Context, internalapi.AuditHead) error

func newHeadRegistrar(
	auditLog *auditlog.Log, program string, register registerHead, log *slog.Logger, reg prometheus.Registerer, now func() time.Time,
) *headRegistrar {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "openim_wrapper_audit_head_registrations_total",
		Help: "Heads of the audit log that were registered with the backend, by result: ok or failed.",
	}, []string{"result"})
	k := &headRegistrar{auditLog: auditLog, register: register, program: program, now: now, log: log, results: results}
	k.instance, _ = os.Hostname() // a head without an instance is still identified by its chain
	k.instance = wire.CleanText(k.instance)
	reg.MustRegister(k.results)
	return k
}

// run writes the audit log until ctx ends.
func (k *headRegistrar) run(ctx context.Context) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		k.auditLog.Run(ctx)
	}()
	next := time.NewTimer(headRetryInterval)
	defer next.Stop()
	for {
		select {
		case <-written:
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), headShutdownTimeout)
			defer cancel()
			k.registerCurrent(end)
			return
		case <-next.C:
			if k.registerCurrent(ctx) {
				next.Reset(headInterval)
			} else {
				next.Reset(headRetryInterval)
			}
		}
	}
}

// registerCurrent registers the current head if it changed. It returns false when that failed, or when nothing was written yet.
func (k *headRegistrar) registerCurrent(ctx context.Context) bool {
	head, ok := k.auditLog.Head()
	if !ok {
		return false
	}
	if head == k.registered && k.now().Sub(k.registeredAt) < headMaxAge {
		return true
	}
	err := k.register(ctx, internalapi.AuditHead{
		Chain: head.Chain, Seq: head.Seq, Hash: head.Hash, Ended: head.Ended, Program: k.program, Instance: k.instance,
	})
	if err != nil {
		k.results.WithLabelValues("failed").Inc()
		if !k.failing {
			k.failing = true
			k.log.Warn("registering the audit log's head failed: a missing audit log would not be noticed: check the backend and its Redis",
				"error", err.Error())
		}
		return false
	}
	k.results.WithLabelValues("ok").Inc()
	if k.failing {
		k.failing = false
		k.log.Info("the audit log's head is registered again")
	}
	k.registered, k.registeredAt = head, k.now()
	return true
}

// registerHead registers a head with the backend.
func (b *backendClient) registerHead(ctx context.Context, head internalapi.AuditHead) error {
	_, err := callInternal[internalapi.Empty](ctx, b, internalapi.PathRegisterHead, "", head)
	return err
}

// auditHeads lists the registered heads, from which an auditor knows which audit logs must exist.
func (h *adminHandler) auditHeads(x *exchange, body []byte) (any, *wire.Failure) {
	var request struct {
		Since int64 `json:"since"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	if request.Since < 0 || request.Since > maxUnix {
		return nil, badRequest("since: write a time in Unix seconds, or leave it out")
	}
	var ask internalapi.ListHeads
	if request.Since > 0 {
		ask.Since = time.Unix(request.Since, 0).UTC()
	}
	return relayInternal[internalapi.AuditHeads](x, h.services, internalapi.PathListHeads, ask)
}

// maxUnix is the end of the year 9999.
const maxUnix = 253402300799
