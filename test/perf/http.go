package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// outcome collects a case's rounds.
type outcome struct {
	contender
	most []load // closed loop
	half []load // constant rate
}

// measureHTTP measures the cases in turns: first their highest throughput, then all at half of the slowest case's.
func measureHTTP(ctx context.Context, p *bench, cases []contender, rounds int, lasts time.Duration, out io.Writer) error {
	results := make([]*outcome, len(cases))
	users := 0
	for i, c := range cases {
		results[i], users = &outcome{contender: c}, max(users, c.users)
	}
	var err error
	if p.many, err = p.sessions(ctx, users); err != nil {
		return err
	}
	for range rounds {
		if err := each(ctx, p, results, func(r *outcome, up *running) error {
			end := p.profile(ctx, r.name, up, lasts, "profile", "allocs")
			seen, err := attack(ctx, p, r.contender, up, 0, lasts)
			err = errors.Join(err, end())
			r.most = append(r.most, seen)
			return err
		}); err != nil {
			return err
		}
	}
	slowest := slices.MinFunc(results, func(a, b *outcome) int {
		return cmp.Compare(median(a.most, rateOf), median(b.most, rateOf))
	})
	rate := int(median(slowest.most, rateOf) / 2)
	for range rounds {
		if err := each(ctx, p, results, func(r *outcome, up *running) error {
			seen, err := attack(ctx, p, r.contender, up, rate, lasts)
			r.half = append(r.half, seen)
			return err
		}); err != nil {
			return err
		}
	}
	tell(out, results, rate, rounds, lasts)
	return nil
}

// each starts every case separately, warms it up, and measures it.
func each(ctx context.Context, p *bench, results []*outcome, measure func(*outcome, *running) error) error {
	for _, r := range results {
		up, err := r.start(ctx, p)
		if err != nil {
			return fmt.Errorf("%s: %w", r.name, err)
		}
		if err = p.awaitAnswer(ctx, up.base); err == nil {
			_, err = attack(ctx, p, r.contender, up, 200, time.Second)
		}
		if err == nil {
			err = measure(r, up)
		}
		up.stop()
		if err != nil {
			return err
		}
	}
	return nil
}

func rateOf(l load) float64      { return l.rate }
func p50Of(l load) float64       { return float64(l.p50.Microseconds()) / 1000 }
func p99Of(l load) float64       { return float64(l.p99.Microseconds()) / 1000 }
func cpuOf(l load) float64       { return float64(l.cpu.Nanoseconds()) / 1000 }
func proxyMicros(l load) float64 { return float64(l.proxyTime.Nanoseconds()) / 1000 }
func rssOf(l load) float64       { return float64(l.rss) / (1 << 20) }

func sorted(loads []load, of func(load) float64) []float64 {
	var values []float64
	for _, l := range loads {
		values = append(values, of(l))
	}
	return slices.Sorted(slices.Values(values))
}

func median(loads []load, of func(load) float64) float64 {
	values := sorted(loads, of)
	return values[len(values)/2]
}

// span is a median with the minimum and the maximum.
func span(loads []load, of func(load) float64, less float64, format string) string {
	values := sorted(loads, of)
	return fmt.Sprintf(format+" ("+format+"–"+format+")", values[len(values)/2]-less, values[0]-less, values[len(values)-1]-less)
}

func tell(out io.Writer, results []*outcome, rate, rounds int, lasts time.Duration) {
	print := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	print(
		"Median of %d rounds of %s (least–most). Added latency is the case's less the direct one's, at %d requests per second, half of",
		rounds,
		lasts,
		rate,
	)
	print(
		"what the slowest can do. CPU is that of the process which clients reach, and that of all processes between the client and the stub.\n",
	)
	print("| case | requests/s | added p50, ms | added p99, ms | CPU of the first, µs/request | CPU of all, µs/request | RSS of all, MiB |")
	print("|---|---|---|---|---|---|---|")
	direct := results[0]
	for _, r := range results {
		if r == direct {
			print(
				"| %s | %s | %s in all | %s in all | – | – | – |",
				r.name,
				span(r.most, rateOf, 0, "%.0f"),
				span(r.half, p50Of, 0, "%.2f"),
				span(r.half, p99Of, 0, "%.2f"),
			)
			continue
		}
		print("| %s | %s | %s | %s | %s | %s | %s |", r.name, span(r.most, rateOf, 0, "%.0f"),
			span(r.half, p50Of, median(direct.half, p50Of), "%.2f"), span(r.half, p99Of, median(direct.half, p99Of), "%.2f"),
			span(r.half, proxyMicros, 0, "%.0f"), span(r.half, cpuOf, 0, "%.0f"), span(r.half, rssOf, 0, "%.0f"))
	}
	print("\n| case | what it does |\n|---|---|")
	for _, r := range results {
		print("| %s | %s |", r.name, r.does)
	}
	tellAims(out, results)
}
