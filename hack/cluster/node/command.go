package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// run runs a command to its end and returns its stdout. An error holds its stderr.
func run(ctx context.Context, stdin []byte, name string, args ...string) (string, error) {
	path := name
	if !filepath.IsAbs(name) {
		if path = host.Find(name); path == "" {
			return "", fmt.Errorf("finding program %s: not in %s", name, host.Path())
		}
	}
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = environment()
	cmd.Stdin = bytes.NewReader(stdin)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(stderr.String() + "\n" + stdout.String())
		return stdout.String(), fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(args, " "), err, said)
	}
	return stdout.String(), nil
}

// environment returns this process's environment with the system's folders in PATH and without the user's proxy and kubeconfig.
func environment() []string {
	var env []string
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		switch strings.ToUpper(name) {
		case "PATH", "KUBECONFIG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "NOTIFY_SOCKET":
		default:
			env = append(env, variable)
		}
	}
	return append(env, "PATH="+host.Path())
}

// kubectl runs kubectl with an administrator's rights.
func (n *Node) kubectl(ctx context.Context, b binaries, stdin []byte, args ...string) (string, error) {
	return run(ctx, stdin, b.kubernetes("kubectl"), append([]string{"--kubeconfig=" + n.paths.Kubeconfig("super-admin"), "--cache-dir=" + n.paths.in("kubectl-cache")}, args...)...)
}
