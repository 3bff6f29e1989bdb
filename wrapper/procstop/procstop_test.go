package procstop

import (
	"bufio"
	"os/exec"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// TestNothingRunsAfterHalt halts a process group of a process and its child, both of which write endlessly.
func TestNothingRunsAfterHalt(t *testing.T) {
	g := NewWithT(t)
	command := exec.Command("sh", "-c", "(while :; do echo child; done) & while :; do echo parent; done")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := command.StdoutPipe()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(command.Start()).To(Succeed())
	group := command.Process.Pid
	t.Cleanup(func() { _ = syscall.Kill(-group, syscall.SIGKILL); _ = command.Wait() })
	lines := bufio.NewScanner(out)
	for range 100 {
		g.Expect(lines.Scan()).To(BeTrue())
		g.Expect(Halt(group)).To(Succeed())
		running, err := runningThreads(group)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(running).To(BeZero())
		g.Expect(Resume(group)).To(Succeed())
		g.Eventually(func() (int, error) { return runningThreads(group) }, time.Minute).Should(BeNumerically(">", 0))
	}
}

func TestAMissingGroupIsAnError(t *testing.T) {
	g := NewWithT(t)
	command := exec.Command("true")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	g.Expect(command.Run()).To(Succeed())
	g.Expect(Halt(command.Process.Pid)).NotTo(Succeed())
	g.Expect(Resume(command.Process.Pid)).NotTo(Succeed())
}

func TestANameCanContainAnyCharacter(t *testing.T) {
	g := NewWithT(t)
	state, group, ok := parseStat("7 (a) T 1) R 1 42 0")
	g.Expect(ok).To(BeTrue())
	g.Expect(state).To(Equal("R"))
	g.Expect(group).To(Equal(42))
	for _, bad := range []string{"", "7 a R 1 42", "7 (a) R 1", "7 (a) R 1 x 0"} {
		_, _, ok = parseStat(bad)
		g.Expect(ok).To(BeFalse(), bad)
	}
}
