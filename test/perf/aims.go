package main

import (
	"fmt"
	"io"
	"slices"
)

// Names of the cases with goals.
const (
	caseDirect    = "direct"
	caseBare      = "ReverseProxy"
	caseCaddy     = "caddy"
	caseAuthOnly  = "wrapper: auth only"
	caseWrapper   = "wrapper"
	caseManyUsers = "wrapper: many users"
)

// The goals: upper bounds of the wrapper's cost.
const (
	aimP50       = 0.5 // ms
	aimP99       = 2   // ms
	aimCPU       = 1.3 // times a bare ReverseProxy's
	aimSocketKiB = 40
)

// tellAims compares the measurements with the goals, if the run has both cases.
func tellAims(out io.Writer, results []*outcome) {
	find := func(name string) *outcome {
		if i := slices.IndexFunc(results, func(r *outcome) bool { return r.name == name }); i >= 0 {
			return results[i]
		}
		return nil
	}
	direct, bare, caddy, auth, whole := find(caseDirect), find(caseBare), find(caseCaddy), find(caseAuthOnly), find(caseWrapper)
	_, _ = fmt.Fprint(out, "\n| aim | measured | |\n|---|---|---|\n")
	line := func(aim, measured string, met bool) {
		verdict := "missed"
		if met {
			verdict = "met"
		}
		_, _ = fmt.Fprintf(out, "| %s | %s | %s |\n", aim, measured, verdict)
	}
	if whole != nil {
		p50 := median(whole.half, p50Of) - median(direct.half, p50Of)
		p99 := median(whole.half, p99Of) - median(direct.half, p99Of)
		line(fmt.Sprintf("added p50 at most %.1f ms at half load", aimP50), fmt.Sprintf("%.2f ms", p50), p50 <= aimP50)
		line(fmt.Sprintf("added p99 at most %d ms at half load", aimP99), fmt.Sprintf("%.2f ms", p99), p99 <= aimP99)
	}
	if auth != nil && bare != nil {
		least := median(bare.half, proxyMicros)
		for _, reading := range []struct {
			name string
			of   func(load) float64
		}{
			{"the gateway, process against process: each takes a request in and sends one on", proxyMicros},
			{"gateway and backend together, which are two hops, against its one", cpuOf},
		} {
			times := median(auth.half, reading.of) / least
			line(fmt.Sprintf("CPU of the path with authentication alone at most %.1f times a bare ReverseProxy's: %s", aimCPU, reading.name),
				fmt.Sprintf("%.2f times", times), times <= aimCPU)
		}
	}
	if whole != nil && caddy != nil {
		ours, theirs := median(whole.most, rateOf), median(caddy.most, rateOf)
		line("throughput above Caddy's forward_auth", fmt.Sprintf("%.0f against %.0f requests/s", ours, theirs), ours > theirs)
	}
}
