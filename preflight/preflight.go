package preflight

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/redis/go-redis/v9/logging"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// Options are what the command line and the container give.
type Options struct {
	// Stores to check, by the names of package termination.
	Stores []string
	// ConfigDir is the folder of OpenIM's configuration files.
	ConfigDir string
	// AttemptsFile counts the attempts. Without it every attempt is a first one.
	AttemptsFile string
	// TerminationLog is the file that the kubelet reads when the container ends.
	TerminationLog string
	// NewTopics are made where Kafka lacks them.
	NewTopics NewTopics
	Getenv    func(string) string
	// Log gets what a person reads in the container's log.
	Log io.Writer
}

// Run checks the stores until all work or the attempt's time is over. Then it writes the termination message and returns an error.
func Run(ctx context.Context, o Options) error {
	checks, err := settings{dir: o.ConfigDir, getenv: o.Getenv, topics: o.NewTopics}.checks(o.Stores)
	if err != nil {
		return err
	}
	n := 1
	if o.AttemptsFile != "" {
		if n, err = nextAttempt(o.AttemptsFile); err != nil {
			_, _ = fmt.Fprintln(o.Log, "preflight:", err)
		}
	}
	logging.Disable() // the library writes every failed connection to standard error
	return o.attempt(ctx, attemptOf(n), checks)
}

func (o Options) attempt(ctx context.Context, a attempt, checks []check) error {
	var mu sync.Mutex // stores report at the same time
	failures := a.run(ctx, checks, func(store termination.StoreName, warnings []string, f *failure) {
		mu.Lock()
		defer mu.Unlock()
		if f != nil {
			_, _ = fmt.Fprintf(o.Log, "%s: %s: %s\n", store, f.reason, f.message)
			return
		}
		_, _ = fmt.Fprintf(o.Log, "%s: works\n", store)
		for _, w := range warnings {
			_, _ = fmt.Fprintf(o.Log, "warning: %s\n", w)
		}
	})
	if len(failures) > 0 {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("checking the stores: %w", err) // the pod is being deleted: nobody reads a message
		}
		message, err := termination.Preflight{Stores: failures}.Encode()
		if err == nil {
			err = os.WriteFile(o.TerminationLog, message, 0o644) // the kubelet reads it as another user
		}
		if err != nil {
			return fmt.Errorf("writing the termination message: %w", err)
		}
		return fmt.Errorf("checking the stores: %d of %d cannot be used", len(failures), len(checks))
	}
	// The next start of this pod, after a restart of its node for example, is a first attempt again.
	if o.AttemptsFile != "" {
		if err := os.Remove(o.AttemptsFile); err != nil && !os.IsNotExist(err) {
			return fmt.Errorf("removing the count of attempts: %w", err)
		}
	}
	return nil
}
