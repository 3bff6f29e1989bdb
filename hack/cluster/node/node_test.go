package node

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// nodeIn is a node whose state and cache are folders of the test.
func nodeIn(t *testing.T) (*Node, *bytes.Buffer) {
	t.Helper()
	t.Setenv("OPENIM_OPERATOR_CACHE", t.TempDir())
	short, err := os.MkdirTemp("", "n") //nolint:usetesting // the test's own folder may be too long for a socket
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	t.Cleanup(func() { os.RemoveAll(short) })
	var out bytes.Buffer
	n, err := New(Options{StateDir: filepath.Join(short, "s"), Out: &out})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return n, &out
}

func TestAClusterThatNeverRanIsReportedAsSuch(t *testing.T) {
	g := NewWithT(t)
	n, _ := nodeIn(t)
	status, err := n.Status(context.Background())
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status.Running).To(BeFalse())
	g.Expect(status.Components).To(BeEmpty())
	g.Expect(status.AuditLog).To(HaveSuffix("/s/audit.log"))
	_, err = n.Kubeconfig()
	g.Expect(err).To(MatchError(ContainSubstring("hack/cluster up")))
}

func TestProgramsCollectGarbageLessOftenUnlessTheEnvironmentSaysHowOften(t *testing.T) {
	g := NewWithT(t)
	n, _ := nodeIn(t)
	g.Expect(n.programEnvironment([]string{"A=b"})).To(Equal([]string{"A=b", Mark + "=" + n.paths.State, "GOGC=400", "GOMEMLIMIT=1GiB"}))
	g.Expect(n.programEnvironment([]string{"GOGC=50"})).To(Equal([]string{"GOGC=50", Mark + "=" + n.paths.State, "GOMEMLIMIT=1GiB"}))
}

func TestAProcessCountsAsAliveOnlyWhileItIsOurs(t *testing.T) {
	g := NewWithT(t)
	n, _ := nodeIn(t)
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	g.Expect(err).NotTo(HaveOccurred())
	cmd.Env = []string{Mark + "=" + n.paths.State}
	g.Expect(cmd.Start()).To(Succeed())
	g.Expect(n.remember(record{Name: "etcd", PID: cmd.Process.Pid})).To(Succeed())
	g.Eventually(func() bool { _, alive := n.alive("etcd"); return alive }).Should(BeTrue())

	g.Expect(n.remember(record{Name: "kubelet", PID: os.Getpid()})).To(Succeed())
	_, alive := n.alive("kubelet")
	g.Expect(alive).To(BeFalse(), "the number was given to another process meanwhile")

	g.Expect(writeFile(n.paths.Log("etcd"), []byte("first\nlast lines\n"), 0o600)).To(Succeed())
	g.Expect(stdin.Close()).To(Succeed())
	g.Expect(cmd.Wait()).To(Succeed())
	g.Expect(n.checkAlive("etcd")).To(MatchError(And(
		ContainSubstring("etcd has ended"), ContainSubstring("last lines"), ContainSubstring(n.paths.Log("etcd")))))
}

func TestWaitingEndsWithTheConditionAnErrorOrTheDeadline(t *testing.T) {
	g, ctx := NewWithT(t), context.Background()
	n, _ := nodeIn(t)
	calls := 0
	g.Expect(n.await(ctx, "it", time.Minute, "kubelet", func() (bool, error) { calls++; return calls == 3, nil })).To(Succeed())
	g.Expect(calls).To(Equal(3))

	dead := errors.New("kubelet has ended")
	g.Expect(n.await(ctx, "it", time.Minute, "kubelet", func() (bool, error) { return false, dead })).To(MatchError(dead))

	g.Expect(writeFile(n.paths.Log("kubelet"), []byte(strings.Repeat("noise\n", 100)+"the reason\n"), 0o600)).To(Succeed())
	err := n.await(ctx, "the node", 120*time.Millisecond, "kubelet", func() (bool, error) { return false, nil })
	g.Expect(err).To(MatchError(And(ContainSubstring("waiting for the node: timed out after 120ms"), ContainSubstring("the reason"))))
	g.Expect(strings.Count(err.Error(), "noise")).To(BeNumerically("<", 20), "the end of the log, not all of it")

	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	g.Expect(n.await(cancelled, "it", time.Minute, "kubelet", func() (bool, error) { return false, nil })).To(MatchError(context.Canceled))
}

func TestEachStepIsPrintedWithItsTimeAndAFailureWithItsName(t *testing.T) {
	g := NewWithT(t)
	n, out := nodeIn(t)
	g.Expect(n.step("network", func() error { return nil })).To(Succeed())
	g.Expect(out.String()).To(MatchRegexp(`^  network +\d+\.\ds\n$`))
	g.Expect(n.step("certificates", func() error { return errors.New("why") })).To(MatchError("certificates: why"))
	g.Expect(out.String()).To(ContainSubstring("FAILED"))
}

func TestTwoCommandsAtOnceTakeTurns(t *testing.T) {
	g, ctx := NewWithT(t), context.Background()
	n, out := nodeIn(t)
	unlock, err := n.lock(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	impatient, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	_, err = n.lock(impatient)
	g.Expect(err).To(MatchError(context.DeadlineExceeded))
	g.Expect(out.String()).To(ContainSubstring("another cluster command is running"))
	unlock()
	again, err := n.lock(ctx)
	g.Expect(err).NotTo(HaveOccurred())
	again()
}

func TestContainersAreKnownByTheFoldersOfContainerd(t *testing.T) {
	g := NewWithT(t)
	n, _ := nodeIn(t)
	g.Expect(n.containers()).To(BeEmpty())
	g.Expect(os.MkdirAll(n.paths.in("containerd/state/io.containerd.runtime.v2.task/k8s.io/abc"), 0o755)).To(Succeed())
	g.Expect(n.containers()).To(Equal([]string{"abc"}))
}

func TestASocketIsHealthyWhileSomebodyAccepts(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(probe(context.Background(), "unix://"+path)).To(Succeed())
	g.Expect(listener.Close()).To(Succeed())
	g.Expect(probe(context.Background(), "unix://"+path)).NotTo(Succeed())
}

func TestLinksToAssetsAreMadeOnceAndFollowANewBuild(t *testing.T) {
	g, dir := NewWithT(t), t.TempDir()
	path := filepath.Join(dir, "etcd")
	for _, target := range []string{"/a/etcd", "/a/etcd", "/b/etcd"} {
		g.Expect(link(target, path)).To(Succeed())
		g.Expect(os.Readlink(path)).To(Equal(target))
	}
	g.Expect(os.ReadDir(dir)).To(HaveLen(1))
}

func TestProgramsOfTheNodeDoNotSeeTheUsersProxyOrKubeconfig(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://proxy")
	t.Setenv("https_proxy", "http://proxy")
	t.Setenv("KUBECONFIG", "/users")
	t.Setenv("KEPT", "yes")
	NewWithT(t).Expect(strings.Join(environment(), "\n")).To(And(
		Not(ContainSubstring("proxy")), Not(ContainSubstring("KUBECONFIG")), ContainSubstring("KEPT=yes"), ContainSubstring("/usr/sbin")))
}
