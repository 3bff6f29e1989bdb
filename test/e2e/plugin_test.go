//go:build e2e

package e2e

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
)

// pluginBinary builds the plugin, so that a command starts at once and ends by a signal.
func pluginBinary(ctx SpecContext) string {
	GinkgoHelper()
	path := filepath.Join(GinkgoT().TempDir(), "kubectl-openimstack")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/kubectl-openimstack")
	build.Dir = environment.Root
	out, err := build.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), string(out))
	return path
}

// terminal is a running `kubectl openimstack chat`.
type terminal struct {
	*gexec.Session
	keys io.WriteCloser
}

// types sends a line.
func (t terminal) types(line string) {
	GinkgoHelper()
	_, err := io.WriteString(t.keys, line+"\n")
	Expect(err).NotTo(HaveOccurred())
}

// converse runs the three commands of the first hour: two codes, and a terminal for each of two people. Then a device is revoked, and its
// user enrols another one.
func converse(ctx SpecContext) {
	// Users and words of this run alone: the stores outlive the stack, so that another run would see those of this one.
	run := strconv.FormatInt(time.Now().UnixNano(), 36)
	nora, felix := "nora_"+run, "felix_"+run
	plugin, folder := pluginBinary(ctx), GinkgoT().TempDir()
	token := filepath.Join(folder, "admin.jwt")
	Expect(os.WriteFile(token, []byte(admin(ctx).Token), 0o600)).To(Succeed())
	flags := []string{"--kubeconfig", environment.Kubeconfig, "-n", stack.Namespace, "--stack", stack.Name}

	// code issues a code and returns the file that holds it.
	code := func(user string) string {
		GinkgoHelper()
		issue := exec.CommandContext(ctx, plugin, append([]string{"user", "code", user, "-o", "code", "--token-file", token}, flags...)...)
		issue.Stderr = GinkgoWriter
		out, err := issue.Output()
		Expect(err).NotTo(HaveOccurred())
		file := filepath.Join(folder, user+".code")
		Expect(os.WriteFile(file, out, 0o600)).To(Succeed())
		return file
	}
	// open starts a user's terminal.
	open := func(user, peer string, args ...string) terminal {
		GinkgoHelper()
		args = slices.Concat([]string{"chat", peer, "--devices", filepath.Join(folder, user)}, args, flags)
		command := exec.CommandContext(ctx, plugin, args...)
		keys, err := command.StdinPipe()
		Expect(err).NotTo(HaveOccurred())
		session, err := gexec.Start(command, GinkgoWriter, GinkgoWriter)
		Expect(err).NotTo(HaveOccurred())
		DeferCleanup(func() { session.Kill().Wait() })
		Eventually(ctx, session.Err, time.Minute).Should(Or(gbytes.Say("Type a line to send it"), gbytes.Say("error: ")))
		return terminal{session, keys}
	}

	noras := open(nora, felix, "--code-file", code(nora))
	felixs := open(felix, nora, "--code-file", code(felix))
	noras.types("Hello, Felix.")
	Eventually(ctx, felixs.Out, time.Minute).Should(gbytes.Say("%s: Hello, Felix.", nora))
	felixs.types("Hello, Nora.")
	Eventually(ctx, noras.Out, time.Minute).Should(gbytes.Say("%s: Hello, Nora.", felix))

	By("logging in again with the device's key alone, and reading what was said")
	Expect(felixs.keys.Close()).To(Succeed())
	Eventually(ctx, felixs.Session, time.Minute).Should(gexec.Exit(0))
	felixs = open(felix, nora)
	Eventually(ctx, felixs.Out, time.Minute).Should(gbytes.Say("%s: Hello, Felix.", nora))
	Eventually(ctx, felixs.Out, time.Minute).Should(gbytes.Say("%s: Hello, Nora.", felix))

	By("revoking the device: the terminal ends, and its key is worth nothing")
	devices, err := admin(ctx).Devices(ctx, felix)
	Expect(err).NotTo(HaveOccurred())
	Expect(devices).To(HaveLen(1))
	Expect(admin(ctx).RevokeDevice(ctx, felix, devices[0].ID)).To(Succeed())
	Eventually(ctx, felixs.Session, time.Minute).Should(gexec.Exit(1))
	Expect(felixs.Err).To(gbytes.Say("the session was revoked"))
	refused := open(felix, nora)
	Eventually(ctx, refused.Session, time.Minute).Should(gexec.Exit(1))

	By("enrolling another device with a new code")
	felixs = open(felix, nora, "--code-file", code(felix))
	noras.types("Are you back?")
	Eventually(ctx, felixs.Out, time.Minute).Should(gbytes.Say("%s: Are you back\\?", nora))
	felixs.types("I am.")
	Eventually(ctx, noras.Out, time.Minute).Should(gbytes.Say("%s: I am.", felix))
}
