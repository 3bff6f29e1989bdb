package explain_test

import (
	"testing"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/root"
)

// invoke runs a command line.
func invoke(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	return plugintest.Invoke(t, root.Run, args...)
}
