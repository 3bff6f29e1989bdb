package supervisor

import (
	"context"
	"os"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// exited handles the end of the program that nobody asked for.
func (s *supervisor) exited() int {
	now := time.Now()
	say("the program ended with exit code %d", s.process.code())
	s.deregister()
	s.leave(termination.ChildExited, s.process.code(), now)
	return s.process.code()
}

// restart ends the program so that the kubelet starts it anew (H2 to H4).
func (s *supervisor) restart(tick *time.Ticker, e ending) int {
	say("restarting the program: %s since %s", e.reason, e.since.UTC().Format(time.RFC3339))
	s.deregister()
	s.terminate(tick)
	s.leave(e.reason, s.process.code(), e.since)
	return exitRestart
}

// stop ends the program for the kubelet (H5): callers first learn that the pod is gone. A second SIGTERM skips the pause.
func (s *supervisor) stop(tick *time.Ticker) int {
	say("stopping")
	s.deregister()
	if s.called() {
		s.await(tick, s.timing.Deregister, true)
	}
	s.terminate(tick)
	if s.process.status.Signaled() && s.process.status.Signal() == syscall.SIGTERM {
		return 0 // a program without a handler ended as it was told
	}
	return s.process.code()
}

// called reports whether others call the program.
func (s *supervisor) called() bool {
	return s.arguments.listens(GRPC) || s.arguments.listens(HTTP) || s.arguments.listens(WebSocket)
}

// deregister deletes the key, so that no caller is sent to a program that ends, and drops the lease of a restored key.
func (s *supervisor) deregister() {
	s.unmet = []string{stopping}
	s.tell(time.Now(), s.unmet)
	s.key.abort()
	s.ports.abort()
	if !s.arguments.registers() || !s.rules.etcd.registered {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), s.timing.EtcdTimeout)
	defer cancel()
	err := s.registry.Delete(ctx, s.arguments.key())
	if err == nil && s.rules.etcd.lease != 0 {
		err = s.registry.Revoke(ctx, s.rules.etcd.lease)
	}
	if err != nil {
		say("%v", err)
	}
	s.registry.Close()
}

// terminate ends the program: SIGTERM, and SIGKILL when it takes too long.
func (s *supervisor) terminate(tick *time.Ticker) {
	s.process.reap()
	s.process.signal(syscall.SIGTERM)
	if !s.await(tick, s.timing.Kill, false) {
		say("the program did not end within %s of SIGTERM and is killed", s.timing.Kill)
		s.process.signal(syscall.SIGKILL)
		s.await(tick, s.timing.Stalled, false)
	}
}

// await waits for the program's end, and reports whether it came. With hurry, a second SIGTERM ends the wait.
func (s *supervisor) await(tick *time.Ticker, limit time.Duration, hurry bool) bool {
	late := time.NewTimer(limit)
	defer late.Stop()
	for {
		if s.process.reap(); s.process.ended {
			return true
		}
		select {
		case <-tick.C:
			s.tell(time.Now(), s.unmet)
		case <-s.children:
		case got := <-s.signals:
			if got == syscall.SIGTERM && hurry {
				return false
			}
			if got != syscall.SIGTERM {
				s.process.signal(got.(syscall.Signal))
			}
		case <-late.C:
			return false
		}
	}
}

// leave writes the termination message.
func (s *supervisor) leave(reason termination.ExitReason, code int, since time.Time) {
	ctx, cancel := context.WithTimeout(context.Background(), s.timing.PortTimeout)
	defer cancel()
	exit := termination.Exit{Reason: reason, Exit: code, Unreachable: unreachable(ctx, &s.arguments), Since: since}
	text, err := exit.Encode()
	if err == nil {
		err = os.WriteFile(s.options.TerminationLog, text, 0o644)
	}
	if err != nil {
		say("writing the termination message: %v", err)
	}
}
