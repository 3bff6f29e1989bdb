package supervisor_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/etcdtest"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

func rpc(t *testing.T) *pod {
	t.Helper()
	t.Parallel()
	p := newPod(t, etcdtest.Start(t), "grpc", "metrics")
	p.start()
	return p
}

func TestAPodIsReadyWhenItServesAndIsRegistered(t *testing.T) {
	p := rpc(t)
	p.Eventually(func() error { return p.probe("/readyz") }).Should(MatchError(And(
		ContainSubstring("grpc port does not answer"), ContainSubstring("the key in etcd is absent"))))
	p.listen()
	p.Eventually(func() error { return p.probe("/readyz") }).ShouldNot(MatchError(ContainSubstring("grpc port")))
	p.Consistently(func() error { return p.probe("/readyz") }, "300ms").Should(MatchError(ContainSubstring("the key in etcd is absent")))
	p.registers()
	p.becomesReady()
}

func TestAnAcceptedConnectionIsNoService(t *testing.T) {
	p := rpc(t)
	p.tell("/listen?kind=silent&port=%d", p.ports["grpc"])
	p.registers()
	p.Eventually(func() error { return p.probe("/readyz") }).ShouldNot(MatchError(ContainSubstring("key in etcd")))
	p.Consistently(func() error { return p.probe("/readyz") }, "1500ms").Should(MatchError(ContainSubstring("grpc port does not answer")))
}

func TestALostKeyIsRestoredAfterAnOutage(t *testing.T) {
	p := rpc(t)
	p.listen()
	stop := p.registers()
	p.becomesReady()
	before, pid := p.lease(), p.pid()

	p.etcd.Freeze()
	stop() // as in OpenIM v3.8.3, the loop that keeps the lease ends for ever
	p.Consistently(func() error { return p.probe("/readyz") }, "5s").Should(Succeed(), "the last answer counts")
	p.etcd.Thaw()
	p.Eventually(p.lease).ShouldNot(BeElementOf(int64(0), before))
	restored := p.lease()
	p.becomesReady()
	p.Consistently(p.lease, "6s").Should(Equal(restored), "the supervisor keeps its lease alive")
	p.Expect(p.pid()).To(Equal(pid), "nothing was restarted")

	p.registers()
	p.Consistently(p.lease, "1s").ShouldNot(BeElementOf(int64(0), restored), "a key that the program writes again wins")
	p.Eventually(p.leases).Should(ConsistOf(p.lease()), "the supervisor gives its own lease up")
	p.becomesReady()
}

func TestAKeyIsRestoredWhenEtcdStallsAgainAtOnce(t *testing.T) {
	p := rpc(t)
	p.listen()
	stop := p.registers()
	p.becomesReady()
	pid := p.pid()
	p.etcd.Freeze()
	stop()
	for range 3 {
		time.Sleep(2 * time.Second) //nolint:forbidigo // the outage itself
		p.etcd.Thaw()
		time.Sleep(30 * time.Millisecond) //nolint:forbidigo // too short for the supervisor to restore its key
		p.etcd.Freeze()
	}
	p.etcd.Thaw()
	p.becomesReady()
	p.Consistently(p.lease, "6s").ShouldNot(BeZero())
	p.Expect(p.pid()).To(Equal(pid))
	p.Expect(p.probe("/readyz")).To(Succeed())
}

func TestAProgramThatRestoresItsKeyItselfIsGivenTime(t *testing.T) {
	t.Parallel()
	p := newPod(t, etcdtest.Start(t), "grpc")
	p.options = append(p.options, "--restore-after=3s")
	p.start()
	p.listen()
	stop := p.registers()
	p.becomesReady()
	stop()
	p.Eventually(func() error { return p.probe("/readyz") }).Should(MatchError(ContainSubstring("the key in etcd is absent")))
	p.Consistently(p.lease, "1500ms").Should(BeZero())
	p.becomesReady()
	p.Expect(p.lease()).NotTo(BeZero())
}

func TestARestartFollowsAResetOfEtcd(t *testing.T) {
	t.Parallel()
	p := newPod(t, etcdtest.Start(t), "grpc", "metrics")
	p.timing.ResetSpread = 2 * time.Second
	p.start()
	p.listen()
	p.registers()
	p.becomesReady()
	for range 5 {
		p.put(p.lease()) // other stacks write, too
	}
	p.etcd.Wipe()
	p.Expect(p.ends()).To(Equal(75))
	p.Expect(p.message().Reason).To(Equal(termination.EtcdReset))
	p.Expect(p.output.String()).To(And(ContainSubstring("etcd lost its data"), ContainSubstring("is restored")))
	p.again()
}

func TestARestartFollowsALongAbsenceOfEtcd(t *testing.T) {
	t.Parallel()
	p := newPod(t, etcdtest.Start(t), "grpc")
	p.timing.Away = 3 * time.Second
	p.start()
	p.listen()
	p.registers()
	p.becomesReady()
	p.etcd.Freeze()
	p.Consistently(p.ended, "5s").ShouldNot(BeClosed(), "without etcd, a pod that was restarted could not start")
	p.etcd.Thaw()
	p.Expect(p.ends()).To(Equal(75))
	p.Expect(p.message().Reason).To(Equal(termination.EtcdReset))
	p.again()
}

// again does what the kubelet does next, and waits for normal life.
func (p *pod) again() {
	p.t.Helper()
	p.start()
	p.listen()
	p.registers()
	p.becomesReady()
}
