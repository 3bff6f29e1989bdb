// Command pause is the first process of each pod and of the node itself: it holds the namespaces,
// reaps orphans, and ends on SIGTERM.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for {
		// Signals may merge, so each round reaps all ended children; the first round reaps those from before the handler.
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 && err != syscall.EINTR {
				break
			}
		}
		if s := <-signals; s != syscall.SIGCHLD {
			return
		}
	}
}
