package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "capacity:", err)
		stop()
		os.Exit(1)
	}
}

// settings of a run.
type settings struct {
	stacks  int
	rest    time.Duration
	helm    bool
	manager string
	ranges  string
	update  bool
	log     string
	pprof   string
	// foreign is the number of Secrets that belong to no stack.
	foreign int
	// touches is how often each stack is reconciled without a change.
	touches int
	// profiles is a directory for profiles of the operator, "" for none.
	profiles string
}

func run(ctx context.Context, args []string) (err error) {
	var s settings
	flags := flag.NewFlagSet("capacity", flag.ContinueOnError)
	flags.IntVar(&s.stacks, "stacks", 100, "number of stacks")
	flags.DurationVar(&s.rest, "rest", time.Minute, "how long the operator is watched at rest")
	flags.BoolVar(&s.helm, "helm", true, "measure helm install of the same objects too")
	flags.StringVar(&s.manager, "manager", "dist/manager", "the operator's program")
	flags.StringVar(&s.ranges, "ranges", "test/capacity/ranges.json", "the file with the ranges of the figures")
	flags.BoolVar(&s.update, "update", false, "write the ranges around this run's figures instead of comparing")
	flags.StringVar(&s.log, "log", "", "a file for the operator's log; empty: none is kept")
	flags.StringVar(&s.pprof, "pprof", "0", "the address at which the operator serves profiles; 0: nowhere")
	flags.IntVar(&s.foreign, "foreign", 0, "number of Secrets of 1 MB, with annotations of 200 KB, that belong to no stack")
	flags.IntVar(&s.touches, "touches", 3, "how often each stack is reconciled without a change")
	flags.StringVar(&s.profiles, "profiles", "", "a directory for profiles of the operator: heap.pprof at rest, cpu.pprof and allocs.pprof "+
		"of reconciliations that change nothing; needs -pprof; empty: none are taken")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if s.stacks < 1 || s.stacks > 1000 {
		return fmt.Errorf("-stacks is %d: write 1 to 1000", s.stacks)
	}
	if s.foreign < 0 || s.foreign > 1000 {
		return fmt.Errorf("-foreign is %d: write 0 to 1000", s.foreign)
	}
	if s.touches < 1 || s.touches > 100 {
		return fmt.Errorf("-touches is %d: write 1 to 100", s.touches)
	}
	if s.profiles != "" && s.pprof == "0" {
		return errors.New("-profiles needs the address at which the operator serves them: add -pprof 127.0.0.1:8082")
	}
	c, err := startCluster()
	if err != nil {
		return err
	}
	defer func() {
		if stopped := c.stop(); err == nil {
			err = stopped
		}
	}()
	figures, err := measure(ctx, c, s)
	if err != nil {
		return err
	}
	if s.helm {
		figure, err := measureHelm(ctx, c, s.stacks)
		if err != nil {
			return err
		}
		figures = append(figures, figure)
	}
	show(os.Stdout, s.stacks, figures)
	return compare(s, figures)
}

// measure creates the stacks and returns the operator's figures.
func measure(ctx context.Context, c *cluster, s settings) ([]figure, error) {
	for i := range s.stacks {
		if err := c.prepare(ctx, namespaceOf(i)); err != nil {
			return nil, err
		}
	}
	for i := range s.foreign {
		if err := c.addForeignSecret(ctx, i); err != nil {
			return nil, err
		}
	}
	o, err := startOperator(ctx, c, s)
	if err != nil {
		return nil, err
	}
	defer o.stop()

	first, err := o.sample(ctx)
	if err != nil {
		return nil, err
	}
	servedFirst, err := servedRequests(ctx, c.environment.Config)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	for i := range s.stacks {
		if err := c.apply(ctx, namespaceOf(i)); err != nil {
			return nil, err
		}
	}
	if err := c.waitApplied(ctx, s.stacks); err != nil {
		return nil, err
	}
	applied := time.Since(began)
	done, err := o.quiet(ctx)
	if err != nil {
		return nil, err
	}

	servedThen, err := servedRequests(ctx, c.environment.Config)
	if err != nil {
		return nil, err
	}
	showRequests(os.Stdout, "requests that the API server answered until the stacks were applied, for each stack", float64(s.stacks), 0.5,
		servedFirst, servedThen)
	if err := wait(ctx, s.rest); err != nil {
		return nil, err
	}
	rested, err := o.sample(ctx)
	if err != nil {
		return nil, err
	}
	servedAtRest, err := servedRequests(ctx, c.environment.Config)
	if err != nil {
		return nil, err
	}
	showRequests(os.Stdout, "requests that the API server answered at rest, in all", 1, 1, servedThen, servedAtRest)
	unchanged, err := measureUnchanged(ctx, c, o, s)
	if err != nil {
		return nil, err
	}
	perMinute := float64(time.Minute) / float64(s.rest)
	stacks := float64(s.stacks)
	return []figure{
		{"applied", "s", "all stacks are applied after", applied.Seconds()},
		{"requestsPerStack", "requests", "requests of the operator for each stack until then", (done.requests() - first.requests()) / stacks},
		{"cpuPerStack", "ms", "CPU of the operator for each stack until then", ms(done.cpu-first.cpu) / stacks},
		{"memory", "MiB", "resident memory at rest", mebibytes(rested.rss)},
		{"peak", "MiB", "resident memory at its peak", mebibytes(rested.peak)},
		{"writesAtRest", "a minute", "writes at rest", (rested.writes() - done.writes()) * perMinute},
		{"readsAtRest", "a minute", "reads of the API server at rest, watches aside", (rested.reads() - done.reads()) * perMinute},
		{"cpuAtRest", "ms a minute", "CPU at rest", ms(rested.cpu-done.cpu) * perMinute},
		{"cpuUnchanged", "ms", "CPU of a reconciliation that changes nothing", ms(unchanged.cpu)},
		{"allocatedUnchanged", "KiB", "allocated by a reconciliation that changes nothing", unchanged.allocated / 1024},
		{"requestsUnchanged", "requests", "requests of a reconciliation that changes nothing", unchanged.requests},
		{"reconcile99", "ms", "99 % of the reconciliations that change nothing take at most", 1000 * unchanged.longest},
	}, nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func mebibytes(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// wait waits for a time that is measured.
func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
