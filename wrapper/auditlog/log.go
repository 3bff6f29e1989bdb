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

// Stdout is the path that means the standard output.
const Stdout = "stdout"

// Bounds of the spool.
const (
	// SpoolBytes is how much waits in memory while the sink takes nothing; an event has about half a KiB.
	SpoolBytes = 32 << 20
	// reserve is the part of it that only events of administrators may use, so that users cannot push them out.
	reserve = SpoolBytes / 8
)

// stuckAfter is how long one write may take before the sink counts as stuck.
const stuckAfter = 2 * time.Second

// ErrUnavailable is why an event that must not be lost cannot be promised now.
var ErrUnavailable = errors.New("the audit trail cannot be written: look at its file or at who reads the standard output")

// ErrLost is what Emit gives for an event that was not kept.
var ErrLost = errors.New("the audit trail cannot be written and its spool is full: the event is lost")

// Options say where the trail goes.
type Options struct {
	Path    string    // Stdout, or the absolute path of a file
	Stdout  io.Writer // of the process: what the log is written to as well
	Program string    // what is running, such as "gateway v0.1.0"
	Log     *slog.Logger
	Reg     prometheus.Registerer
	Now     func() time.Time
}

// Log is the trail of one process.
type Log struct {
	log     *slog.Logger
	now     func() time.Time
	sink    sink
	chain   *chain
	metrics metrics
	spool   int // bound in bytes, a constant outside tests
	reserve int
	// patience is how long a stop waits for the sink.
	patience time.Duration

	failing atomic.Bool  // the last write did not succeed
	busy    atomic.Int64 // since when the sink is being waited for, in Unix nanoseconds; 0: it is not
	wake    chan struct{}
	buf     []byte
	ended   bool // the chain has its last event. Of the writer alone
	head    atomic.Pointer[Head]
	torn    bool // the file ends in the middle of a line: begin with a line break. Of the writer alone

	mu      sync.Mutex
	queue   [][]byte
	waiting int    // bytes in queue and in the batch that is being written
	lost    uint64 // not yet told in the chain
	tallies map[tallyKey]*tally
}

// Open begins a chain. In a file it follows the last event that stands there.
func Open(o Options) (*Log, error) {
	l := &Log{log: o.Log, now: o.Now, spool: SpoolBytes, reserve: reserve, patience: stopBound, wake: make(chan struct{}, 1), tallies: map[tallyKey]*tally{}}
	start := form{Time: o.Now().UTC().Format(timeLayout), Kind: kindStart, Program: clip(o.Program, maxIDBytes)}
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
	l.push(start.encode())
	return l, nil
}

// Emit adds one event. It never waits. The error is ErrLost: the event could not even be spooled.
func (l *Log) Emit(e Event) error {
	if e.Time.IsZero() {
		e.Time = l.now()
	}
	f := e.form()
	body := f.encode()
	bound := l.spool - l.reserve
	if e.Who.Role == roleAdmin {
		bound = l.spool
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting+len(body) > bound {
		l.lost++
		l.metrics.lost.Inc()
		return ErrLost
	}
	l.tellLost()
	l.push(body)
	l.metrics.events.WithLabelValues(string(f.Kind)).Inc()
	return nil
}

// roleAdmin is auth.RoleAdmin.
const roleAdmin = "admin"

// Admit reports whether an event can be promised to be kept. Ask before what must not be done without a trace.
func (l *Log) Admit() error {
	if !l.good() {
		return ErrUnavailable
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting > l.spool-l.reserve {
		return ErrUnavailable
	}
	return nil
}

// good reports whether the sink takes what it is given.
func (l *Log) good() bool {
	since := l.busy.Load()
	return !l.failing.Load() && (since == 0 || l.now().UnixNano()-since < int64(stuckAfter))
}

// push adds an encoded event; mu is held, or nobody else has the Log yet.
func (l *Log) push(body []byte) {
	l.queue = append(l.queue, body)
	l.waiting += len(body)
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// tellLost adds the event that says how many were lost before what comes next; mu is held.
func (l *Log) tellLost() {
	if l.lost == 0 {
		return
	}
	f := form{Time: l.now().UTC().Format(timeLayout), Kind: kindLost, Lost: l.lost}
	l.lost = 0
	l.push(f.encode())
}

// metrics are what an alarm is set on.
type metrics struct {
	events *prometheus.CounterVec
	lost   prometheus.Counter
	// counted are refusals that stand in an event with others.
	counted prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, l *Log) metrics {
	m := metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "openim_wrapper_audit_events_total", Help: "Events taken for the audit trail, by kind: call, message, socket or refusals.",
		}, []string{"kind"}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "openim_wrapper_audit_lost_total", Help: "Events that the audit trail lost because its spool was full.",
		}),
		counted: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "openim_wrapper_audit_counted_total", Help: "Refusals of unknown callers that the audit trail has as a number in one event with others.",
		}),
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
	}
	reg.MustRegister(m.events, m.lost, m.counted,
		gauge("openim_wrapper_audit_good", "1 while the audit trail can be written. At 0 administrators' writes and private reads are refused and events pile up in memory.", func() float64 {
			if l.good() {
				return 1
			}
			return 0
		}),
		gauge("openim_wrapper_audit_waiting_bytes", fmt.Sprintf("Events in memory that are not written yet; at %d they are lost.", SpoolBytes), func() float64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			return float64(l.waiting)
		}))
	return m
}
