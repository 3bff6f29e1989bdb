//go:build e2e

package e2e

import (
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/setup"
)

// What a supervisor may use at rest, and how large its program may be. The figures are in docs/performance.md.
const (
	supervisorRSS       = 16 << 20
	supervisorAnonymous = 6 << 20
	supervisorMillicpu  = 2
	supervisorBytes     = 12 << 20
	// supervisorReads bounds what all supervisors of the stack read from etcd in a second: each looks every 10 s, give or take a fifth.
	supervisorReads = 2
)

// supervisorsAtRest compares what each supervisor of the stack uses with an earlier measurement.
func supervisorsAtRest(before map[string]setup.Supervisor, since time.Time) {
	GinkgoHelper()
	running := func() (map[string]setup.Supervisor, error) { return environment.Supervisors(stack) }
	if missing := time.Minute - time.Since(since); missing > 0 { // usually the stack has rested for longer
		Consistently(running).WithTimeout(missing).WithPolling(time.Second).Should(HaveLen(len(before)))
	}
	after, err := running()
	Expect(err).NotTo(HaveOccurred())
	took := time.Since(since)
	Expect(after).To(HaveLen(13), "one of each process of OpenIM, and two of msggateway")
	var rss, anonymous, most int64
	var cpu, busiest time.Duration
	for process, now := range after {
		Expect(before).To(HaveKey(process), "no supervisor was started again")
		used := now.CPU - before[process].CPU
		rss, anonymous, cpu = rss+now.RSS, anonymous+now.Anonymous, cpu+used
		most, busiest = max(most, now.RSS), max(busiest, used)
		Expect(now.RSS).To(BeNumerically("<=", supervisorRSS), "bytes of memory")
		Expect(now.Anonymous).To(BeNumerically("<=", supervisorAnonymous), "bytes of memory that is no page of a file")
		Expect(used).To(BeNumerically("<=", took*supervisorMillicpu/1000), "CPU time in %s", took)
		size, needs, err := setup.SupervisorBinary(process)
		Expect(err).NotTo(HaveOccurred())
		Expect(size).To(BeNumerically("<=", supervisorBytes))
		Expect(needs).To(BeEmpty(), "the program is static")
	}
	count := int64(len(after))
	AddReportEntry("each supervisor", fmt.Sprintf("%.1f MiB (at most %.1f), of which %.1f anonymous; %.2f millicores (at most %.2f) in %s; "+
		"all %d together %.0f MiB, of which %.0f anonymous, and %.1f millicores",
		mebibytes(rss/count), mebibytes(most), mebibytes(anonymous/count), millicores(cpu/time.Duration(count), took), millicores(busiest, took),
		took.Round(time.Second), count, mebibytes(rss), mebibytes(anonymous), millicores(cpu, took)))
}

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

func millicores(cpu, in time.Duration) float64 { return 1000 * cpu.Seconds() / in.Seconds() }
