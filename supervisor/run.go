package supervisor

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/supervisor/registry"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

// Variables with etcd's credentials, which OpenIM reads as well. They repeat openim.EnvName, whose package would cost the supervisor the
// memory of Kubernetes' types; a test compares them.
const (
	EnvUsername = "IMENV_DISCOVERY_ETCD_USERNAME"
	EnvPassword = "IMENV_DISCOVERY_ETCD_PASSWORD"
)

// Options are what differs between a container and a test.
type Options struct {
	Timing Timing
	// TerminationLog is where the kubelet reads why the container ended.
	TerminationLog string
	// Username and Password of etcd; empty without authentication.
	Username, Password string
}

// supervisor is the state of the loop. Only the loop's goroutine uses it; checks run beside it and hand back a function to apply.
type supervisor struct {
	arguments Arguments
	options   Options
	timing    Timing
	rules     *rules
	process   *process
	registry  *registry.Client
	prober    *prober
	health    *health

	signals  chan os.Signal
	children chan os.Signal
	ports    check
	key      check
	unmet    []string
	restored int
	failed   int
}

// Run supervises the program until it ends, and returns the exit code.
func Run(words []string, o Options) int {
	a, err := ParseArguments(words)
	if errors.Is(err, flag.ErrHelp) {
		a.usage(os.Stdout)
		return 0
	}
	if err != nil {
		say("%v", err)
		return exitUsage
	}
	s := &supervisor{
		arguments: a, options: o, timing: o.Timing,
		registry: registry.New(registry.Options{
			Endpoints: shuffled(a.Etcd), Username: o.Username, Password: o.Password, TokenPause: o.Timing.TokenPause, Now: time.Now,
			TLS: a.EtcdTLS,
		}),
		health:   newHealth(o.Timing.Stalled, time.Now),
		signals:  make(chan os.Signal, 8),
		children: make(chan os.Signal, 1),
		ports:    newCheck(), key: newCheck(),
	}
	if s.prober, err = newProber(a.Listen); err == nil {
		err = s.health.listen(a.Health)
	}
	if err != nil {
		say("%v", err)
		return exitUsage
	}
	defer s.health.close()
	signal.Notify(s.children, syscall.SIGCHLD)
	signal.Notify(s.signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	if s.process, err = start(a.Program); err != nil {
		say("%v", err)
		s.leave(termination.ChildExited, exitNotFound, time.Now())
		return exitNotFound
	}
	s.rules = newRules(&s.arguments, o.Timing, time.Now())
	return s.loop()
}

// shuffled spreads the supervisors of a stack over the members of etcd.
func shuffled(endpoints []string) []string {
	all := slices.Clone(endpoints)
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] }) //nolint:gosec // spreads load
	return all
}

// loop turns until the program has ended.
func (s *supervisor) loop() int {
	tick := time.NewTicker(s.timing.Tick)
	defer tick.Stop()
	for {
		s.turn(time.Now())
		if end, must := s.rules.end(time.Now()); must {
			return s.restart(tick, end)
		}
		select {
		case <-tick.C:
		case apply := <-s.ports.done:
			s.ports.finish(apply)
		case apply := <-s.key.done:
			s.key.finish(apply)
		case <-s.children:
			if s.process.reap(); s.process.ended {
				return s.exited()
			}
		case got := <-s.signals:
			if got == syscall.SIGTERM {
				return s.stop(tick)
			}
			s.process.signal(got.(syscall.Signal))
		}
	}
}

// turn starts the checks that are due and reports what is known.
func (s *supervisor) turn(now time.Time) {
	unmet := s.rules.unmet(now)
	if !slices.Equal(unmet, s.unmet) {
		say("%s", readiness(unmet))
	}
	s.unmet = unmet
	s.tell(now, unmet)
	s.tryPorts(now)
	s.tendKey(now)
}

func readiness(unmet []string) string {
	if len(unmet) == 0 {
		return "ready"
	}
	return "not ready: " + strings.Join(unmet, ", ")
}

func (s *supervisor) tell(now time.Time, unmet []string) {
	e := s.rules.etcd
	s.health.latest.Store(&report{
		turned: now, unmet: unmet, registers: s.arguments.registers(), registered: e.last.Present, heard: e.reads,
		restored: s.restored, failed: s.failed, started: s.rules.started,
	})
}

// say prints an event. The program's own output goes to the same place.
func say(format string, args ...any) {
	_, _ = fmt.Fprintf(os.Stderr, "supervisor: "+format+"\n", args...)
}
