package outcome

import "time"

const (
	firstRetry = 5 * time.Minute
	lastRetry  = 30 * time.Minute
	// conflictRetry is how often the operator looks whether an object in its way was removed.
	conflictRetry = 15 * time.Second
	// jitter is the greatest part of a retry's time that is added to it, so that many stacks are not retried at once.
	jitter = 0.1
)

// TerminalRetry returns the time until a terminal fault is tried again, after it was met a number of times in a row: five minutes, doubling
// to thirty, and up to a tenth more. random returns a number from 0 to 1.
func TerminalRetry(failed int, random func() float64) time.Duration {
	wait := firstRetry
	for range min(failed, 8) - 1 {
		wait = min(2*wait, lastRetry)
	}
	return wait + time.Duration(random()*jitter*float64(wait))
}
