//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/setup"
)

// bundled collects the stack's bundle with the plugin and searches it for every secret of the cluster's namespaces of the demo, and for a
// message that was just sent.
func bundled(ctx SpecContext) {
	message := fmt.Sprintf("not for a bundle %d", time.Now().UnixNano())
	_, err := environment.Deliver(ctx, stack, admin(ctx), alice, bob, message)
	Expect(err).NotTo(HaveOccurred())
	archive := filepath.Join(GinkgoT().TempDir(), "bundle.tar.gz")
	command := exec.CommandContext(ctx, "go", "run", "./cmd/kubectl-openimstack", "bundle", stack.Name, "-n", stack.Namespace,
		"--kubeconfig", environment.Kubeconfig, "--output-file", archive)
	command.Dir = environment.Root
	out, err := command.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))

	files := filesOf(archive)
	Expect(slices.Collect(maps.Keys(files))).To(ContainElements(
		stack.Name+"/README.txt", stack.Name+"/stack.yaml", stack.Name+"/audit.json", stack.Name+"/objects/deployments.yaml",
		stack.Name+"/objects/controllerrevisions.yaml", stack.Name+"/objects/networkpolicies.yaml", stack.Name+"/versions.json",
		MatchRegexp("/operator/logs/openim-operator-[^/]+/manager.log$"), MatchRegexp("/logs/[^/]+-backend-[^/]+/backend.log$"),
		MatchRegexp("/logs/[^/]+-rpc-msg-[^/]+/openim-rpc-msg.log$"),
	))
	secrets := secretValues(ctx, stack.Namespace, setup.StoresNamespace, setup.OperatorNamespace)
	Expect(len(secrets)).To(BeNumerically(">", 10))
	secrets["the message"] = []byte(message)
	size := 0
	for name, content := range files {
		holdsNone(name, content, secrets)
		size += len(content)
	}
	AddReportEntry("bundle", fmt.Sprintf("%d files, %d KiB, searched for %d secrets", len(files), size>>10, len(secrets)))
}

// filesOf returns the contents of a .tar.gz, by name.
func filesOf(archive string) map[string][]byte {
	GinkgoHelper()
	content, err := os.ReadFile(archive)
	Expect(err).NotTo(HaveOccurred())
	zipped, err := gzip.NewReader(bytes.NewReader(content))
	Expect(err).NotTo(HaveOccurred())
	files := map[string][]byte{}
	for reader := tar.NewReader(zipped); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		Expect(err).NotTo(HaveOccurred())
		files[header.Name], err = io.ReadAll(reader)
		Expect(err).NotTo(HaveOccurred())
	}
}
