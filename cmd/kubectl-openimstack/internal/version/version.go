package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/pflag"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// release is set by `make plugin` (-X main.release=v0.1.0).
var release string

// version of the plugin: that of the release, or of the module when it was built with `go install`.
func version() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

func versionCommand() command {
	return command{
		name: "version", short: "print the plugin's version", exit: "0.",
		long:  "Prints the plugin's version, and that of the JSON which audit writes.",
		flags: func(*pflag.FlagSet, *options) {},
		run: func(_ context.Context, p *program, _ *options, _ []string) (int, error) {
			_, err := fmt.Fprintf(p.out, "kubectl-openimstack %s %s/%s, %s\n", version(), runtime.GOOS, runtime.GOARCH, audit.Schema)
			return exitSealed, err
		},
	}
}
