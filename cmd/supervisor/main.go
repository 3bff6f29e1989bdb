// Command supervisor is process 1 of OpenIM's containers. See package supervisor.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/openimstack/openim-operator/supervisor"
	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/version"
)

const (
	// gcPercent keeps the heap of a program that allocates little and lives long close to its live data.
	gcPercent = 25
	// processors: one is enough for a few requests a second, and each has caches of its own.
	processors = 1
)

func main() {
	if version.Asked(os.Args[1:]) {
		fmt.Println(version.Line("supervisor"))
		return
	}
	debug.SetGCPercent(gcPercent)
	runtime.GOMAXPROCS(processors)
	os.Exit(supervisor.Run(os.Args[1:], supervisor.Options{
		Timing:         supervisor.DefaultTiming(),
		TerminationLog: termination.Path,
		Username:       os.Getenv(supervisor.EnvUsername),
		Password:       os.Getenv(supervisor.EnvPassword),
	}))
}
