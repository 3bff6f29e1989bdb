package auditlog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stdout is the value of Options.Path for the standard output.
const Stdout = "stdout"

// Limits of the queue.
const (
	// SpoolBytes limits the events that wait in memory while the sink accepts none. An event has about half a KiB.
	SpoolBytes = 32 << 20
	// reserve is the part of the queue for events of administrators only, so that users' events cannot displace them.
	reserve = SpoolBytes / 8
)

// stuckAfter is the duration of one write after which the sink counts as stuck.
const stuckAfter = 2 * time.Second

// ErrUnavailable is Admit's error: an event that must not be lost cannot be accepted now.
var ErrUnavailable = errors.New("writing the audit log: the sink accepts no events: check its disk, or the reader of the standard output")

// ErrLost is Emit's error for an event that was dropped.
var ErrLost = errors.New("writing the audit log: the sink accepts no events and the queue is full: the event is lost")

// Options configures the audit log.
type Options struct {
	Path    string    // Stdout, or the absolute path of a file
	Stdout  io.Writer // the process's standard output, which the log shares
	Program string    // program and version, such as "gateway v0.1.0"
	Log     *slog.Logger
	Reg     prometheus.Registerer
	Now     func() time.Time
}

// Log is the audit log of one process.
type Log struct {
	log     *slog.Logger
	now     func() time.Time
	sink    sink
	chain   *chain
	metrics metrics
	spool   int // limit of the queue in bytes; tests change it
	reserve int
	// stopTimeout is how long a stop waits for the sink.
	stopTimeout time.Duration

	failing atomic.Bool  // the last write failed
	busy    atomic.Int64 // start of the write in progress in Unix nanoseconds; 0: none
	wake    chan struct{}
	buf     []byte
	ended   bool // the chain has its end event; used by the writer only
	head    atomic.Pointer[Head]
	torn    bool // the file ends within a line: write a line break first; used by the writer only

	mu      sync.Mutex
	queue   [][]byte
	waiting int    // bytes in the queue and in the batch being written
	lost    uint64 // lost events that no event of the chain reports yet
	tallies map[tallyKey]*tally
}

// Open starts a chain. In a file, the new chain's start names the last event of the file.
func Open(o Options) (*Log, error) {
	l := &Log{
		log: o.Log, now: o.Now, spool: SpoolBytes, reserve: reserve, stopTimeout: stopTimeout, wake: make(chan struct{}, 1),
		tallies: map[tallyKey]*tally{},
	}
	start := record{Time: o.Now().UTC().Format(timeLayout), Kind: kindStart, Program: clip(o.Program, maxIDBytes)}
	if o.Path == Stdout {
		l.sink, l.chain = stream{o.Stdout}, newChain("")
	} else {
		f, err := openFile(o.Path)
		if err != nil {
			return nil, err
		}
		previous, torn, err := f.last()
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		l.sink, l.torn = f, torn
		if previous == nil {
			l.chain = newChain("")
		} else {
			l.chain = newChain(previous.Hash)
			start.PreviousChain, start.PreviousSeq = previous.Chain, previous.Seq
		}
	}
	l.metrics = newMetrics(o.Reg, l)
	l.enqueue(start.encode())
	return l, nil
}

// Emit adds an event. It never blocks. The error is ErrLost: the queue is full and the event is lost.
func (l *Log) Emit(e Event) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	f := e.record()
	body := f.encode()
	limit := l.spool - l.reserve
	if e.Actor.Role == roleAdmin {
		limit = l.spool
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting+len(body) > limit {
		l.lost++
		l.metrics.lost.Inc()
		return ErrLost
	}
	l.pushLost()
	l.enqueue(body)
	l.metrics.events.WithLabelValues(string(f.Kind)).Inc()
	return nil
}

// roleAdmin is auth.RoleAdmin, which this package does not import.
const roleAdmin = "admin"

// Admit returns nil if an event can be accepted now. Call it before an action that must not happen without a record.
func (l *Log) Admit() error {
	if !l.writable() {
		return ErrUnavailable
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting > l.spool-l.reserve {
		return ErrUnavailable
	}
	return nil
}

// writable reports whether the sink accepts events.
func (l *Log) writable() bool {
	since := l.busy.Load()
	return !l.failing.Load() && (since == 0 || l.now().UnixNano()-since < int64(stuckAfter))
}

// enqueue adds an encoded event. The caller holds mu, or is the only user of the Log.
func (l *Log) enqueue(body []byte) {
	l.queue = append(l.queue, body)
	l.waiting += len(body)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// pushLost adds the event that reports how many events were lost before the next one. The caller holds mu.
func (l *Log) pushLost() {
	if l.lost == 0 {
		return
	}
	f := record{Time: l.now().UTC().Format(timeLayout), Kind: kindLost, Lost: l.lost}
	l.lost = 0
	l.enqueue(f.encode())
}

// metrics are the metrics for alerts.
type metrics struct {
	events *prometheus.CounterVec
	lost   prometheus.Counter
	// counted is the number of refusals in events of KindRefusals.
	counted prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, l *Log) metrics {
	m := metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_audit_events_total",
			Help: "Events accepted for the audit log, by kind: call, message, socket or refusals.",
		}, []string{"kind"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "openim_wrapper_audit_lost_total", Help: "Events that the audit log lost because its queue was full.",
		}),
		counted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "openim_wrapper_audit_counted_total",
			Help: "Refusals of unknown callers that the audit log has as a number in one event with others.",
		}),
	}
	waiting := fmt.Sprintf("Bytes of events that wait in memory; beyond %d events are lost.", SpoolBytes)
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	reg.MustRegister(m.events, m.lost, m.counted,
		gauge("openim_wrapper_audit_good",
			"1 while the audit log can be written. At 0 administrators' writes and private reads are refused, "+
				"and events wait in memory.", func() float64 {
				if l.writable() {
					return 1
				}
				return 0
			}),
		gauge("openim_wrapper_audit_waiting_bytes", waiting, func() float64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			return float64(l.waiting)
		}))
	return m
}
