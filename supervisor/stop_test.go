package supervisor_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/etcdtest"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

func TestAProgramThatDoesNotAnswerIsRestarted(t *testing.T) {
	p := rpc(t)
	p.listen()
	p.registers()
	p.becomesReady()
	p.Expect(syscall.Kill(p.pid(), syscall.SIGSTOP)).To(Succeed())
	p.Eventually(func() error { return p.probe("/readyz") }).Should(MatchError(ContainSubstring("grpc port does not answer")))
	p.Expect(p.probe("/livez")).To(Succeed(), "the supervisor itself works")
	p.Expect(p.ends()).To(Equal(75))
	exit := p.message()
	p.Expect(exit.Reason).To(Equal(termination.Stuck))
	p.Expect(exit.Exit).To(Equal(137), "it was killed, because a stopped process takes no SIGTERM")
	p.Expect(p.lease()).To(BeZero(), "nobody is sent to it")
	p.again()
}

func TestAProgramThatIsNeverReadyIsRestarted(t *testing.T) {
	t.Parallel()
	p := newPod(t, etcdtest.Start(t), "grpc")
	p.options = append(p.options, "--start-timeout=2s", fmt.Sprintf("--store=mongodb=127.0.0.1:%d", p.free()), "--store=redis="+p.etcd.Address)
	p.start()
	p.listen()
	p.Expect(p.ends()).To(Equal(75))
	exit := p.message()
	p.Expect(exit.Reason).To(Equal(termination.StartTimeout))
	p.Expect(exit.Unreachable).To(ConsistOf(termination.MongoDB))
	p.again()
	p.Consistently(p.ended, "3s").ShouldNot(BeClosed(), "a pod that was ready has started")
}

func TestAStopDeregistersFirst(t *testing.T) {
	p := rpc(t)
	p.listen()
	p.registers()
	p.tell("/handle?code=7")
	p.becomesReady()
	p.Expect(p.command.Process.Signal(syscall.SIGTERM)).To(Succeed())
	p.Eventually(p.lease).Should(BeZero())
	p.Expect(p.tell("/signals")).To(BeEmpty(), "callers get time to learn of it")
	p.Expect(p.probe("/readyz")).To(MatchError(ContainSubstring("the pod stops")))
	p.Expect(p.ends()).To(Equal(7), "the program's own code")
	p.again()
}

func TestAStopWithoutEtcdIsBounded(t *testing.T) {
	p := rpc(t)
	p.listen()
	p.registers()
	p.becomesReady()
	p.etcd.Freeze()
	begun := time.Now()
	p.Expect(p.command.Process.Signal(syscall.SIGTERM)).To(Succeed())
	p.Expect(p.ends()).To(BeZero(), "a program without a handler ended as it was told")
	p.Expect(time.Since(begun)).To(BeNumerically("<", 25*time.Second))
	p.etcd.Thaw()
	p.again()
}

func TestTheEndOfTheProgramIsTold(t *testing.T) {
	p := rpc(t)
	p.listen()
	p.registers()
	p.becomesReady()
	p.tell("/exit?code=255")
	p.Expect(p.ends()).To(Equal(255))
	p.Expect(p.message()).To(And(HaveField("Reason", termination.ChildExited), HaveField("Exit", 255), HaveField("Unreachable", BeEmpty())))
	p.Expect(p.lease()).To(BeZero())
	p.again()
}

func TestAProgramThatIsMissingIsTold(t *testing.T) {
	t.Parallel()
	p := newPod(t, etcdtest.Start(t))
	p.start()
	p.becomesReady()
	p.options = append(p.options, "--", "/nowhere/*/openim-crontask")
	p.Expect(p.command.Process.Signal(syscall.SIGTERM)).To(Succeed())
	p.ends()
	p.run()
	p.Expect(p.ends()).To(Equal(127))
	p.Expect(p.message()).To(And(HaveField("Reason", termination.ChildExited), HaveField("Exit", 127)))
	p.Expect(p.output.String()).To(ContainSubstring("0 files match"))
}

func TestSignalsAreForwarded(t *testing.T) {
	p := rpc(t)
	p.listen()
	p.registers()
	p.tell("/handle")
	p.becomesReady()
	p.Expect(p.command.Process.Signal(syscall.SIGHUP)).To(Succeed())
	p.Eventually(func() string { return p.tell("/signals") }).Should(Equal("hangup"))
	p.Expect(p.probe("/readyz")).To(Succeed())
}

func TestOrphansAreCollected(t *testing.T) {
	p := rpc(t)
	p.listen()
	p.registers()
	p.becomesReady()
	orphan, err := strconv.Atoi(p.tell("/orphan"))
	p.Expect(err).NotTo(HaveOccurred())
	p.Eventually(func() string { return parent(orphan) }).Should(Equal("none"), "no zombie stays")
	p.Expect(p.probe("/readyz")).To(Succeed())
}

// parent returns the parent of a process, or none when the process is gone.
func parent(pid int) string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "none"
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.Fields(rest)[1]
}
