package supervised

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
)

// outage is longer than the lease of OpenIM's keys, 30 s.
const outage = 45 * time.Second

// page reads a page of a supervisor.
func page(ctx context.Context, s *loopback.Stack, name openim.Name, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Health(name)+path, nil)
	if err != nil {
		return "", err
	}
	reply, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = reply.Body.Close() }()
	text, err := io.ReadAll(reply.Body)
	if err == nil && reply.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", name, reply.Status, text)
	}
	return string(text), err
}

// TestOpenIMHealsAfterAnOutageOfEtcd: without the supervisor, v3.8.3 answers errCode 14 from then on, until it is restarted.
func TestOpenIMHealsAfterAnOutageOfEtcd(t *testing.T) {
	g := NewWithT(t)
	options, err := loopback.Options{Supervised: true}.FromEnvironment()
	g.Expect(err).NotTo(HaveOccurred())
	s := loopback.New(t, options)
	ctx := t.Context()
	ready := func() error {
		for _, p := range openim.Processes() {
			if _, err := page(ctx, s, p.Name, "/readyz"); err != nil {
				return err
			}
		}
		return nil
	}
	works := func() error {
		_, err := s.OpenIM.Call(ctx, "/user/get_users", loopback.Object{"pagination": loopback.Object{"pageNumber": 1, "showNumber": 1}})
		return err
	}
	g.Eventually(ready).WithTimeout(time.Minute).WithPolling(time.Second).Should(Succeed())
	g.Expect(works()).To(Succeed())

	g.Expect(s.Freeze(loopback.Etcd)).To(Succeed())
	g.Consistently(func() error { return firstOf(ready(), works()) }).WithTimeout(outage).WithPolling(time.Second).Should(Succeed())
	g.Expect(s.Thaw(loopback.Etcd)).To(Succeed())
	began := time.Now()
	g.Eventually(func(g Gomega) {
		for _, p := range openim.Processes() {
			if p.Registered == "" {
				continue
			}
			text, err := page(ctx, s, p.Name, "/metrics")
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(text).To(ContainSubstring("openim_supervisor_restored_total 1\n"), "%s", p.Name)
		}
		g.Expect(ready()).To(Succeed())
	}).WithTimeout(time.Minute).WithPolling(100 * time.Millisecond).Should(Succeed())
	t.Logf("all registrations restored %s after the outage", time.Since(began).Round(time.Millisecond))
	g.Consistently(func() error { return firstOf(ready(), works()) }).WithTimeout(outage).WithPolling(time.Second).
		Should(Succeed(), "the restored keys are kept alive")
	g.Expect(s.Err()).NotTo(HaveOccurred(), "no process ended")
	for _, p := range openim.Processes() {
		peak, err := s.PeakBytes(string(p.Name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(peak).To(BeNumerically("<", 20<<20), "%s", p.Name)
		t.Logf("the supervisor of %s used at most %.1f MiB", p.Name, float64(peak)/(1<<20))
	}
	output, err := s.Output(string(openim.RPCUser))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(strings.Count(output, "supervisor: the key in etcd was absent and is restored")).To(Equal(1))
}

func firstOf(all ...error) error {
	for _, err := range all {
		if err != nil {
			return err
		}
	}
	return nil
}
