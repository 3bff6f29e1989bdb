package host

import (
	"fmt"
	"os"
	"runtime"
)

// Require returns an error if this machine is not Linux or the user is not root.
func Require(what string) error {
	return require(what, runtime.GOOS, os.Geteuid())
}

func require(what, system string, uid int) error {
	switch {
	case system != "linux":
		return fmt.Errorf("%s needs Linux (namespaces, cgroups, iptables); this is %s: use a Linux machine or a virtual one", what, system)
	case uid != 0:
		return fmt.Errorf("%s needs root (to create network namespaces and mounts): run it with sudo", what)
	}
	return nil
}
