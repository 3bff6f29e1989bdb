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
	// headSoon is when the first head is registered after the start, and how long it takes to try again.
	headSoon = time.Second
	// headEvery is how often a head that has changed is registered.
	headEvery = time.Minute
	// headAgain is how often one that has not changed is, so that it does not end.
	headAgain = 24 * time.Hour
	// headAtEnd is how long a stop waits for the last one.
	headAtEnd = 2 * time.Second
)

// headKeeper runs the audit trail and leaves its head with the backend: soon after the start, once a minute, and at the end. A chain that
// is cut out of the logs is missed then.
type headKeeper struct {
	trail    *auditlog.Log
	register registerHead
	program  string
	instance string
	now      func() time.Time
	log      *slog.Logger
	results  *prometheus.CounterVec

	told    auditlog.Head
	when    time.Time
	failing bool
}

// registerHead leaves a head somewhere.
type registerHead func(context.Context, internalapi.AuditHead) error

func newHeadKeeper(
	trail *auditlog.Log, program string, register registerHead, log *slog.Logger, reg prometheus.Registerer, now func() time.Time,
) *headKeeper {
	results := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "openim_wrapper_audit_head_registrations_total",
		Help: "Heads of the audit trail that were registered with the backend, by result: ok or failed.",
	}, []string{"result"})
	k := &headKeeper{trail: trail, register: register, program: program, now: now, log: log, results: results}
	k.instance, _ = os.Hostname() // without a name it is found by its chain
	k.instance = wire.CleanText(k.instance)
	reg.MustRegister(k.results)
	return k
}

// run writes the trail until ctx ends.
func (k *headKeeper) run(ctx context.Context) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		k.trail.Run(ctx)
	}()
	next := time.NewTimer(headSoon)
	defer next.Stop()
	for {
		select {
		case <-written:
			end, cancel := context.WithTimeout(context.WithoutCancel(ctx), headAtEnd)
			defer cancel()
			k.tell(end)
			return
		case <-next.C:
			if k.tell(ctx) {
				next.Reset(headEvery)
			} else {
				next.Reset(headSoon)
			}
		}
	}
}

// tell registers the present head, if there is something new. It is false when that did not succeed, or when nothing was written yet.
func (k *headKeeper) tell(ctx context.Context) bool {
	head, ok := k.trail.Head()
	if !ok {
		return false
	}
	if head == k.told && k.now().Sub(k.when) < headAgain {
		return true
	}
	err := k.register(ctx, internalapi.AuditHead{
		Chain: head.Chain, Seq: head.Seq, Hash: head.Hash, Ended: head.Ended, Program: k.program, Instance: k.instance,
	})
	if err != nil {
		k.results.WithLabelValues("failed").Inc()
		if !k.failing {
			k.failing = true
			k.log.Warn("the head of the audit trail cannot be registered: that the trail is missing would not be seen", "error", err.Error())
		}
		return false
	}
	k.results.WithLabelValues("ok").Inc()
	if k.failing {
		k.failing = false
		k.log.Info("the head of the audit trail is registered again")
	}
	k.told, k.when = head, k.now()
	return true
}

// registerHead leaves a head with the backend.
func (b *backendClient) registerHead(ctx context.Context, head internalapi.AuditHead) error {
	_, err := ask[internalapi.Empty](ctx, b, internalapi.PathRegisterHead, "", head)
	return err
}

// auditHeads lists what trails must be there.
func (h *adminHandler) auditHeads(x *exchange, body []byte) (any, *wire.Failure) {
	var request struct {
		Since int64 `json:"since"`
	}
	if failure := decode(body, &request); failure != nil {
		return nil, failure
	}
	if request.Since < 0 || request.Since > maxUnix {
		return nil, argument("since: write a time in Unix seconds, or leave it out")
	}
	var ask internalapi.ListHeads
	if request.Since > 0 {
		ask.Since = time.Unix(request.Since, 0).UTC()
	}
	return asked[internalapi.AuditHeads](x, h.hall, internalapi.PathListHeads, ask)
}

// maxUnix is the end of the year 9999.
const maxUnix = 253402300799
