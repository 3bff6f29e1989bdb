package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// connections is the number of connections of the load.
const connections = 32

// manyUsers is more users than are called in a measurement, so that each calls at most once or twice.
const manyUsers = 10000

// target writes the measured request in vegeta's format, once for each user.
func (p *bench) target(name, base string, users int) (string, error) {
	body := filepath.Join(p.dir, "body.json")
	if err := os.WriteFile(body, []byte(`{"userIDs":["alice"]}`), 0o600); err != nil {
		return "", err
	}
	path := filepath.Join(p.dir, name+".target")
	tokens := []string{p.token}
	if users > 0 {
		tokens = nil
		for _, c := range p.many[:users] {
			tokens = append(tokens, c.token)
		}
	}
	var text bytes.Buffer
	for _, token := range tokens {
		_, _ = fmt.Fprintf(&text, "POST %s/user/get_users_info\nContent-Type: application/json\noperationID: perf\ntoken: %s\n@%s\n\n",
			base, token, body)
	}
	return path, os.WriteFile(path, text.Bytes(), 0o600)
}

// load is the result of one attack.
type load struct {
	rate      float64 // answered per second
	p50, p99  time.Duration
	cpu       time.Duration // of the case's processes, for each request
	proxyTime time.Duration // of the one process that clients reach, for each request
	rss       int64         // of the case's processes at its end
}

// report is the used part of vegeta's report. Durations are in nanoseconds.
type report struct {
	Latencies struct {
		P50 int64 `json:"50th"`
		P99 int64 `json:"99th"`
	} `json:"latencies"`
	Requests   int64            `json:"requests"`
	Throughput float64          `json:"throughput"`
	Success    float64          `json:"success"`
	Codes      map[string]int64 `json:"status_codes"`
	Errors     []string         `json:"errors"`
}

// attack sends requests for a duration. Rate 0 sends as many as are answered. An answer other than 200 ends the measurement, which would be
// invalid.
func attack(ctx context.Context, p *bench, c contender, r *running, rate int, lasts time.Duration) (load, error) {
	target, err := p.target("case", r.base, c.users)
	if err != nil {
		return load{}, err
	}
	results := filepath.Join(p.dir, "case.bin")
	args := []string{
		"-c",
		around,
		p.vegeta,
		"attack",
		"-targets",
		target,
		"-duration",
		lasts.String(),
		"-rate",
		strconv.Itoa(rate),
		"-connections",
		strconv.Itoa(connections),
		"-workers",
		strconv.Itoa(connections),
		"-max-workers",
		strconv.Itoa(connections),
		"-http2=false",
		"-output",
		results,
	}
	before, err := r.usage()
	if err != nil {
		return load{}, err
	}
	if out, err := exec.CommandContext(ctx, "taskset", args...).CombinedOutput(); err != nil {
		return load{}, fmt.Errorf("the load on %s: %w\n%s", c.name, err, out)
	}
	after, err := r.usage()
	if err != nil {
		return load{}, err
	}
	var text bytes.Buffer
	cmd := exec.CommandContext(ctx, p.vegeta, "report", "-type", "json", results)
	cmd.Stdout = &text
	if err := cmd.Run(); err != nil {
		return load{}, fmt.Errorf("the report on %s: %w", c.name, err)
	}
	var seen report
	if err := json.Unmarshal(text.Bytes(), &seen); err != nil {
		return load{}, fmt.Errorf("the report on %s: %w", c.name, err)
	}
	if seen.Success != 1 {
		return load{}, fmt.Errorf("%s: not every answer was 200: %v %.200v", c.name, seen.Codes, seen.Errors)
	}
	return load{
		rate: seen.Throughput, p50: time.Duration(seen.Latencies.P50), p99: time.Duration(seen.Latencies.P99),
		cpu: (after.cpu - before.cpu) / time.Duration(max(seen.Requests, 1)), rss: after.rss,
		proxyTime: (after.proxyTime - before.proxyTime) / time.Duration(max(seen.Requests, 1)),
	}, nil
}

// one sends the measured request once.
func (p *bench) one(ctx context.Context, client *http.Client, base string) (int, string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/user/get_users_info", strings.NewReader(`{"userIDs":["alice"]}`))
	if err != nil {
		return 0, "", err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("operationID", "perf")
	req.Header.Set("token", p.token)
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return resp.StatusCode, string(text), err
}
