package auditlog

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// faulty is a sink whose faults the test controls.
type faulty struct {
	mu    sync.Mutex
	b     bytes.Buffer
	take  int           // the number of bytes that it accepts before it fails; < 0: all
	block chan struct{} // if not nil, a write waits until it is closed
	syncs int
	moved bool
}

var errFull = errors.New("no space left on device")

func (f *faulty) Write(p []byte) (int, error) {
	f.mu.Lock()
	block := f.block
	f.mu.Unlock()
	if block != nil {
		<-block
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.take < 0 {
		return f.b.Write(p)
	}
	n := min(f.take, len(p))
	f.take -= n
	f.b.Write(p[:n])
	if n < len(p) {
		return n, errFull
	}
	return n, nil
}

func (f *faulty) Sync() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.syncs++
	return nil
}

func (f *faulty) Moved() (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	moved := f.moved
	f.moved = false
	return moved, nil
}

func (f *faulty) Close() error { return nil }

func (f *faulty) set(change func(*faulty)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *faulty) text() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.b.String()
}

// on opens an audit log with a faulty sink. Its queue holds the given number of events, a fourth of them reserved for administrators.
func on(t testing.TB, f *faulty, log *buffer, events int) *Log {
	t.Helper()
	if log == nil {
		log = &buffer{}
	}
	logger := slog.New(slog.NewJSONHandler(log, nil))
	l, err := Open(Options{Path: Stdout, Stdout: log, Program: "p", Log: logger, Reg: registry(), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	e := sent(func(e *Event) { e.Time = time.Now() })
	form := e.record()
	l.sink, l.spool = f, events*len(form.encode())
	l.reserve = l.spool / 4
	return l
}

func TestAStuckSinkBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f := &faulty{take: -1, block: make(chan struct{})}
		var log buffer
		l := on(t, f, &log, 40)
		stop := start(t, l)
		synctest.Wait()
		g.Expect(l.Admit()).To(Succeed(), "a short write is not a stuck one")
		time.Sleep(stuckAfter)
		g.Expect(l.Admit()).To(MatchError(ErrUnavailable))

		kept, lost := 0, 0
		for range 100 {
			if l.Emit(sent()) == nil {
				kept++
			} else {
				lost++
			}
		}
		g.Expect(kept).To(BeNumerically("~", 30, 2), "three quarters of the queue are for users")
		admin := sent(func(e *Event) { e.Actor.Role = "admin" })
		for range 8 {
			g.Expect(l.Emit(admin)).To(Succeed(), "the rest is for administrators")
		}
		g.Expect(testutil.ToFloat64(l.metrics.lost)).To(BeEquivalentTo(lost))

		close(f.block)
		f.set(func(f *faulty) { f.block = nil })
		synctest.Wait()
		g.Expect(l.Admit()).To(Succeed())
		g.Expect(l.Emit(sent())).To(Succeed())
		stop()
		report := verify(t, f.text()+log.String())
		g.Expect(report.Problems).To(BeEmpty())
		g.Expect(report.Notes).To(HaveExactElements(HaveField("Text",
			ContainSubstring(fmt.Sprintf("%d events were lost before event %d of", lost, kept+1)))))
		g.Expect(report.Events).To(Equal(1+kept+1+8+1+1), "start, users' events, the loss, administrators' events, the last event, end")
	})
}

func TestAFullSinkIsRetriedUntilItAcceptsTheRest(t *testing.T) {
	for _, taken := range []int{0, 1, 300, 700, 1500} {
		t.Run(fmt.Sprint(taken), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				f := &faulty{take: taken}
				var log buffer
				l := on(t, f, &log, 100)
				for range 5 {
					g.Expect(l.Emit(sent())).To(Succeed())
				}
				stop := start(t, l)
				synctest.Wait()
				g.Expect(l.Admit()).To(MatchError(ErrUnavailable))
				g.Expect(l.Emit(sent())).To(Succeed(), "users' events are queued")
				time.Sleep(time.Minute)
				g.Expect(strings.Count(log.String(), "until it succeeds")).To(Equal(1), "logged once")
				f.set(func(f *faulty) { f.take = -1 })
				time.Sleep(lastRetry)
				synctest.Wait()
				g.Expect(l.Admit()).To(Succeed(), "within a second")
				g.Expect(log.String()).To(ContainSubstring("writing the audit log again"))
				stop()
				report := verify(t, f.text()+log.String())
				g.Expect(report.Problems).To(BeEmpty())
				g.Expect(report.Events).To(Equal(8), "every event once and complete")
			})
		})
	}
}

func TestAStopWaitsForTheSinkUpToATimeout(t *testing.T) {
	for name, f := range map[string]*faulty{"full": {take: 0}, "stuck": {take: -1, block: make(chan struct{})}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewWithT(t)
				if f.block != nil {
					f.block = make(chan struct{}) // created within synctest's bubble
				}
				var log buffer
				l := on(t, f, &log, 100)
				stop := start(t, l)
				synctest.Wait()
				g.Expect(l.Emit(sent())).To(Succeed())
				began := time.Now()
				stop()
				g.Expect(time.Since(began)).To(BeNumerically("<=", stopTimeout+2*lastRetry))
				g.Expect(log.String()).To(ContainSubstring("events are lost"))
				if f.block != nil {
					close(f.block)
				}
			})
		})
	}
}

func TestQueuedEventsAreWrittenAtAStop(t *testing.T) {
	g := NewWithT(t)
	f := &faulty{take: -1}
	l := on(t, f, nil, 10000)
	for range 5000 {
		g.Expect(l.Emit(sent())).To(Succeed())
	}
	start(t, l)()
	report := verify(t, f.text())
	g.Expect(report.Problems).To(BeEmpty())
	g.Expect(report.Events).To(Equal(5002))
	g.Expect(f.syncs).To(BeNumerically(">", 0))
}

func TestHeadsAreLoggedEveryMinuteWithNewEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		f, log := &faulty{take: -1}, &buffer{}
		l := on(t, f, log, 100)
		stop := start(t, l)
		heads := func() int { return strings.Count(log.String(), HeadMessage) }
		time.Sleep(headEvery + time.Second)
		g.Expect(heads()).To(Equal(1), "the start")
		time.Sleep(10 * headEvery)
		g.Expect(heads()).To(Equal(1), "nothing new")
		g.Expect(l.Emit(sent())).To(Succeed())
		time.Sleep(headEvery)
		g.Expect(heads()).To(Equal(2))
		stop()
		g.Expect(heads()).To(Equal(3), "the end")
		g.Expect(verify(t, log.String()+f.text()+log.String()).Problems).To(BeEmpty())
	})
}

func TestADiskThatIsFull(t *testing.T) {
	g := NewWithT(t)
	var log buffer
	l, err := Open(Options{Path: "/dev/full", Log: slog.New(slog.NewJSONHandler(&log, nil)), Reg: registry(), Now: time.Now})
	g.Expect(err).NotTo(HaveOccurred())
	l.stopTimeout = 0
	stop := start(t, l)
	g.Eventually(l.Admit, time.Minute).Should(MatchError(ErrUnavailable))
	g.Expect(l.Emit(sent())).To(Succeed(), "queued")
	g.Expect(testutil.ToFloat64(l.metrics.lost)).To(BeZero())
	g.Expect(log.String()).To(ContainSubstring("no space left on device"))
	stop()
	g.Expect(log.String()).To(ContainSubstring("events are lost"))
}

func TestAFileIsContinued(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	for range 3 {
		l, stop := run(t, Options{Path: path})
		g.Expect(l.Emit(sent())).To(Succeed())
		stop()
	}
	text := read(t, path)
	report := verify(t, text)
	g.Expect(report.Problems).To(BeEmpty())
	g.Expect(report.Chains).To(HaveLen(3))
	info, err := os.Stat(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))

	lines := strings.SplitAfter(text, "\n")
	g.Expect(verify(t, strings.Join(append(lines[:1:1], lines[3:]...), "")).Problems).To(
		ContainElement(HaveField("Text", MatchRegexp("the end of chain .* was cut off: event 2 existed"))),
		"the next chain names the last event of the one before")
	g.Expect(verify(t, strings.Join(lines[3:], "")).Notes).To(
		ContainElement(HaveField("Text", ContainSubstring("the preceding chain"))))
}

func TestACrashInTheMiddleOfALine(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	lines := written(t, 3)
	g.Expect(os.WriteFile(path, []byte(strings.Join(lines[:3], "")+lines[3][:50]), 0o600)).To(Succeed())
	l, stop := run(t, Options{Path: path})
	g.Expect(l.Emit(sent())).To(Succeed())
	stop()
	report := verify(t, read(t, path))
	g.Expect(report.Problems).To(BeEmpty())
	g.Expect(report.Chains).To(HaveLen(2))
	g.Expect(report.Notes).To(HaveExactElements(HaveField("Text", ContainSubstring("is incomplete"))))

	g.Expect(os.WriteFile(path, []byte(strings.Join(lines[:2], "")), 0o600)).To(Succeed())
	l, stop = run(t, Options{Path: path})
	g.Expect(l.Emit(sent())).To(Succeed())
	stop()
	g.Expect(verify(t, read(t, path), headLine(t, lines[2])).Problems).To(HaveLen(1),
		"the log names the events that were cut off before the new start")
}

func TestAfterARotationTheNewFileIsUsed(t *testing.T) {
	for name, rotate := range map[string]func(path string) error{
		"renamed": func(path string) error { return os.Rename(path, path+".1") },
		"removed": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			path := filepath.Join(t.TempDir(), "audit.log")
			l, stop := run(t, Options{Path: path})
			g.Expect(l.Emit(sent())).To(Succeed())
			g.Eventually(func() string { return read(t, path) }, time.Minute).Should(ContainSubstring(`"seq":1,`))
			g.Expect(rotate(path)).To(Succeed())
			g.Expect(l.Emit(sent())).To(Succeed())
			stop()
			second := verify(t, read(t, path))
			g.Expect(second.Problems).To(BeEmpty(), "each file can be verified alone")
			g.Expect(second.Notes).To(HaveExactElements(HaveField("Text",
				ContainSubstring("continues from an earlier file: its event 1 "))))
			if name == "renamed" {
				both := verify(t, read(t, path+".1"), read(t, path))
				g.Expect(both.Problems).To(BeEmpty())
				g.Expect(both.Notes).To(BeEmpty())
				g.Expect(both.Events).To(Equal(5))
			}
		})
	}
}

func TestAFileThatCannotBeOpenedIsAnErrorAtTheStart(t *testing.T) {
	_, err := Open(Options{Path: filepath.Join(t.TempDir(), "absent", "audit.log"), Now: time.Now, Reg: registry()})
	NewWithT(t).Expect(err).To(MatchError(ContainSubstring("opening the audit file")))
}

func TestConcurrentEmits(t *testing.T) {
	g := NewWithT(t)
	f := &faulty{take: -1}
	l := on(t, f, nil, 100000)
	stop := start(t, l)
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 500 {
				if err := l.Emit(sent()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	stop()
	report := verify(t, f.text())
	g.Expect(report.Problems).To(BeEmpty())
	g.Expect(report.Events).To(Equal(4002))
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
