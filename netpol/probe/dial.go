package probe

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// maxParallel bounds the concurrent attempts.
	maxParallel = 64
	// maxDetail bounds the length of an error text, in bytes.
	maxDetail = 200
)

// TCP attempts a connection to each target and returns the results in the order of the targets. timeout bounds each attempt, including
// name resolution. When ctx ends, the remaining attempts count as Timeout.
func TCP(ctx context.Context, timeout time.Duration, targets []string) []Result {
	return attempt(ctx, timeout, targets, maxParallel)
}

func attempt(ctx context.Context, timeout time.Duration, targets []string, parallel int) []Result {
	return each(targets, parallel, func(target string) Result { return dial(ctx, timeout, target) })
}

// each calls try for every target, with at most parallel calls at a time, and returns the results in the order of the targets.
func each(targets []string, parallel int, try func(string) Result) []Result {
	results := make([]Result, len(targets))
	slots := make(chan struct{}, parallel)
	var wait sync.WaitGroup
	for i, target := range targets {
		slots <- struct{}{}
		wait.Go(func() {
			defer func() { <-slots }()
			results[i] = try(target)
		})
	}
	wait.Wait()
	return results
}

func dial(ctx context.Context, timeout time.Duration, target string) Result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", target)
	result := Result{Target: target, Result: outcome(err), Milliseconds: time.Since(start).Milliseconds()}
	if err != nil {
		result.Detail = err.Error()[:min(len(err.Error()), maxDetail)]
		return result
	}
	_ = connection.Close() // no data was sent
	return result
}

func outcome(err error) Outcome {
	var timeout net.Error
	switch {
	case err == nil:
		return Open
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return Timeout
	default:
		return Error
	}
}
