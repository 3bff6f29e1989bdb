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
	// maxParallel bounds the attempts under way at once.
	maxParallel = 64
	// maxDetail bounds the length of an error text, in bytes.
	maxDetail = 200
)

// TCP attempts a connection to each target and returns what came of each, in the order given. An attempt takes at most
// timeout, the resolving of a name included; when ctx ends, what is not done yet counts as Timeout.
func TCP(ctx context.Context, timeout time.Duration, targets []string) []Result {
	return attempt(ctx, timeout, targets, maxParallel)
}

func attempt(ctx context.Context, timeout time.Duration, targets []string, parallel int) []Result {
	return each(targets, parallel, func(target string) Result { return dial(ctx, timeout, target) })
}

// each tries the targets, so many at once, and returns the results in their order.
func each(targets []string, parallel int, try func(string) Result) []Result {
	results := make([]Result, len(targets))
	places := make(chan struct{}, parallel)
	var wait sync.WaitGroup
	for i, target := range targets {
		places <- struct{}{}
		wait.Go(func() {
			defer func() { <-places }()
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
	_ = connection.Close() // Nothing was sent: there is nothing to lose.
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
