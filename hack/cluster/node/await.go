package node

import (
	"context"
	"fmt"
	"time"
)

// await polls a condition until it holds. It prints what it waits for every 5 seconds; at the deadline the error holds the end of the log
// of the program concerned. An error from the condition ends the wait.
func (n *Node) await(ctx context.Context, what string, timeout time.Duration, log string, condition func() (bool, error)) error {
	start := time.Now()
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	beat := time.NewTicker(5 * time.Second)
	defer beat.Stop()
	ask := time.NewTicker(50 * time.Millisecond)
	defer ask.Stop()
	for {
		holds, err := condition()
		if holds || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-deadline.C:
			return fmt.Errorf("waiting for %s: timed out after %s%s", what, timeout, n.logTail(log))
		case <-beat.C:
			fmt.Fprintf(n.out, "  ... waiting for %s, %s\n", what, time.Since(start).Round(time.Second))
		case <-ask.C:
		}
	}
}
