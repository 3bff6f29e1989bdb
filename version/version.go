package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// Variable is the variable that a release sets to its version, such as v0.1.0: -ldflags "-X VARIABLE=v0.1.0".
const Variable = "github.com/openimstack/openim-operator/version.release"

// release is set by the linker. It is empty in builds that are no release.
var release string

// Release returns the version of the release, and "" for a build that is no release.
func Release() string { return release }

// String returns the version of the release, or that of the module when the program was built by `go install`, or "(devel)".
func String() string {
	if release != "" {
		return release
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// Line returns what a program prints with --version, in one line without its end: "manager v0.1.0 linux/amd64 go1.26.0".
func Line(program string) string {
	return fmt.Sprintf("%s %s %s/%s %s", program, String(), runtime.GOOS, runtime.GOARCH, runtime.Version())
}

// Asked reports whether a command line, without the program's name, asks for the version alone. A --version among other words is not asked
// for: it may be an argument of another program.
func Asked(args []string) bool {
	return len(args) == 1 && (args[0] == "--version" || args[0] == "-version")
}
