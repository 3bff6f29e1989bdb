package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/openimstack/openim-operator/supervisor/freeport"
)

// Metrics of client-go and controller-runtime.
const (
	metricRequests  = "rest_client_requests_total"
	metricReconcile = "controller_runtime_reconcile_time_seconds"
	metricQueue     = "workqueue_depth"
	metricActive    = "controller_runtime_active_workers"
	metricAllocated = "go_memstats_alloc_bytes_total"
)

// clockTick is the unit of CPU time in /proc (USER_HZ, 100 on every Linux that Go runs on).
const clockTick = 10 * time.Millisecond

// operator is the operator's process.
type operator struct {
	command *exec.Cmd
	metrics string
	ended   chan error
	// read is how often the metrics were read.
	read int
}

// startOperator starts the operator and waits until it serves metrics.
func startOperator(ctx context.Context, c *cluster, s settings) (*operator, error) {
	address, err := freeport.Take()
	if err != nil {
		return nil, err
	}
	command := exec.Command(s.manager, "--kubeconfig", c.kubeconfig, "--metrics-bind-address", address, "--health-probe-bind-address", "0",
		"--wrapper-image", "openimstack/openim-wrapper:v1", "--supervisor-image", "openimstack/openim-supervisor:v1",
		"--probe-image", "openimstack/openim-operator:v1", "--operator-namespace", "default", "--pprof-bind-address", s.pprof)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if s.log != "" {
		log, err := os.Create(s.log)
		if err != nil {
			return nil, err
		}
		defer func() { _ = log.Close() }()
		command.Stdout, command.Stderr = log, log
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", s.manager, err)
	}
	o := &operator{command: command, metrics: "http://" + address + "/metrics", ended: make(chan error, 1)}
	go func() { o.ended <- command.Wait() }()
	err = poll(ctx, time.Minute, func() (string, error) {
		select {
		case err := <-o.ended:
			o.ended <- err
			return "", fmt.Errorf("%s ended: %w", s.manager, err)
		default:
		}
		if !o.serves(ctx) {
			return "the operator serves no metrics yet", nil
		}
		return "", nil
	})
	if err != nil {
		o.stop()
		return nil, err
	}
	return o, nil
}

func (o *operator) serves(ctx context.Context) bool {
	_, err := o.sample(ctx)
	return err == nil
}

func (o *operator) stop() {
	_ = o.command.Process.Kill()
	<-o.ended
}

// sample is the state of the operator's process and its metrics.
type sample struct {
	cpu       time.Duration
	rss, peak int64
	metrics   map[string]*dto.MetricFamily
	read      int
}

func (o *operator) sample(ctx context.Context) (sample, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.metrics, http.NoBody)
	if err != nil {
		return sample{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return sample{}, err
	}
	defer func() { _ = response.Body.Close() }()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	o.read++
	s := sample{read: o.read}
	if s.metrics, err = parser.TextToMetricFamilies(io.LimitReader(response.Body, 64<<20)); err != nil {
		return sample{}, fmt.Errorf("reading the operator's metrics: %w", err)
	}
	return s, s.readProcess(o.command.Process.Pid)
}

// readProcess reads proc(5): fields 14 and 15 of stat, VmRSS and VmHWM of status.
func (s *sample) readProcess(pid int) error {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return err
	}
	_, rest, found := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if !found || len(fields) < 13 {
		return errors.New("the kernel's stat is not understood")
	}
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return err
		}
		s.cpu += time.Duration(ticks) * clockTick
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "VmRSS":
			s.rss = kib << 10
		case name == "VmHWM":
			s.peak = kib << 10
		}
	}
	return nil
}

func labelsOf(m *dto.Metric) map[string]string {
	labels := map[string]string{}
	for _, pair := range m.GetLabel() {
		labels[pair.GetName()] = pair.GetValue()
	}
	return labels
}

// sum adds up the values of a metric whose labels are accepted.
func (s sample) sum(metric string, accept func(labels map[string]string) bool) float64 {
	total := 0.0
	for _, m := range s.metrics[metric].GetMetric() {
		if accept(labelsOf(m)) {
			total += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return total
}

func isRead(labels map[string]string) bool { return labels["method"] == http.MethodGet }

func (s sample) requests() float64 {
	return s.sum(metricRequests, func(map[string]string) bool { return true })
}

func (s sample) reads() float64 { return s.sum(metricRequests, isRead) }

// allocated is the number of bytes that the process has allocated since its start.
func (s sample) allocated() float64 {
	return s.sum(metricAllocated, func(map[string]string) bool { return true })
}

// scrapes is how often the metrics were read until then.
func (s sample) scrapes() float64 { return float64(s.read) }

func (s sample) writes() float64 { return s.requests() - s.reads() }

// busy is the number of stacks that wait or are reconciled.
func (s sample) busy() float64 {
	ours := func(labels map[string]string) bool { return labels["controller"] == "openimstack" }
	return s.sum(metricQueue, ours) + s.sum(metricActive, ours)
}

// quietFor is how long the operator must have nothing to do to count as at rest.
const quietFor = 3 * time.Second

// quiet waits until the operator has nothing to do.
func (o *operator) quiet(ctx context.Context) (sample, error) {
	var s sample
	since := time.Time{}
	err := poll(ctx, 10*time.Minute, func() (string, error) {
		var err error
		if s, err = o.sample(ctx); err != nil {
			return "", err
		}
		if s.busy() > 0 {
			since = time.Time{}
			return "the operator is still busy", nil
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) < quietFor {
			return "the operator became quiet a moment ago", nil
		}
		return "", nil
	})
	return s, err
}

// reconcile99 returns the upper bound, in seconds, of the bucket with the 99th percentile of the reconciliations since an earlier sample.
func (s sample) reconcile99(since sample) float64 {
	buckets := func(of sample) map[float64]uint64 {
		all := map[float64]uint64{}
		for _, m := range of.metrics[metricReconcile].GetMetric() {
			for _, pair := range m.GetLabel() {
				if pair.GetName() != "controller" || pair.GetValue() != "openimstack" {
					continue
				}
				for _, b := range m.GetHistogram().GetBucket() {
					all[b.GetUpperBound()] += b.GetCumulativeCount()
				}
			}
		}
		return all
	}
	now, before := buckets(s), buckets(since)
	return percentile(now, before)
}
