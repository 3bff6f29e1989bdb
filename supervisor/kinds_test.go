package supervisor_test

import (
	"os"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/etcdtest"
)

// Programs that do not register: api, msgtransfer and crontask.
func TestProgramsThatDoNotRegister(t *testing.T) {
	for name, kinds := range map[string][]string{"api": {"http", "metrics"}, "msgtransfer": {"metrics"}, "crontask": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPod(t, etcdtest.Start(t), kinds...)
			p.start()
			if len(kinds) > 0 {
				p.Consistently(func() error { return p.probe("/readyz") }, "500ms").ShouldNot(Succeed())
				p.listen()
			}
			p.becomesReady()
			p.etcd.Freeze()
			p.Consistently(func() error { return p.probe("/readyz") }, "2s").Should(Succeed(), "it goes on without etcd")
			p.etcd.Thaw()
			p.Expect(p.command.Process.Signal(syscall.SIGTERM)).To(Succeed())
			begun := time.Now()
			p.Expect(p.ends()).To(BeZero(), "143 becomes 0")
			p.Expect(time.Since(begun)).To(BeNumerically("<", 25*time.Second))
			p.Expect(os.ReadFile(p.log)).To(BeEmpty(), "a stop that was asked for needs no explanation")
			p.start()
			p.listen()
			p.becomesReady()
		})
	}
}

// crontask has no port to answer: it is ready once etcd has answered.
func TestCrontaskStartsAfterEtcd(t *testing.T) {
	t.Parallel()
	etcd := etcdtest.Start(t)
	etcd.Freeze()
	p := newPod(t, etcd)
	p.start()
	p.Consistently(func() error { return p.probe("/readyz") }, "1500ms").Should(MatchError(ContainSubstring("etcd has not answered yet")))
	etcd.Thaw()
	p.becomesReady()
}
