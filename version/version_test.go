package version_test

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/version"
)

// programs are all programs that are released.
var programs = []string{"manager", "wrapper", "supervisor", "preflight", "kubectl-openimstack"}

// TestEveryProgramPrintsTheVersionOfItsRelease compiles the programs as a release does, and runs each.
func TestEveryProgramPrintsTheVersionOfItsRelease(t *testing.T) {
	g := NewWithT(t)
	mains, err := filepath.Glob(filepath.Join("..", "cmd", "*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mains).To(HaveLen(len(programs)), "a program is missing in this test")

	folder := t.TempDir()
	flags := "-s -w -X " + version.Variable + "=v1.2.3"
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags", flags, "-o", folder+"/", "../cmd/...")
	out, err := build.CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred(), string(out))
	for _, program := range programs {
		out, err := exec.CommandContext(t.Context(), filepath.Join(folder, program), "--version").Output()
		g.Expect(err).NotTo(HaveOccurred(), program)
		g.Expect(string(out)).To(Equal(program + " v1.2.3 " + runtime.GOOS + "/" + runtime.GOARCH + " " + runtime.Version() + "\n"))
	}
}

func TestABuildThatIsNoReleaseSaysSo(t *testing.T) {
	g := NewWithT(t)
	g.Expect(version.Release()).To(BeEmpty())
	g.Expect(version.String()).NotTo(BeEmpty())
	g.Expect(version.Line("x")).To(HavePrefix("x " + version.String() + " "))
}

func TestOnlyAVersionAloneIsAskedFor(t *testing.T) {
	for _, c := range []struct {
		args []string
		want bool
	}{
		{[]string{"--version"}, true},
		{[]string{"-version"}, true},
		{nil, false},
		{[]string{""}, false},
		{[]string{"version"}, false},
		{[]string{"--version=1"}, false},
		{[]string{"--versions"}, false},
		{[]string{"--version", "--version"}, false},
		{[]string{"--", "--version"}, false},
		{[]string{"gateway", "--version"}, false},
	} {
		NewWithT(t).Expect(version.Asked(c.args)).To(Equal(c.want), "%q", c.args)
	}
}
