package host

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	. "github.com/onsi/gomega"
)

// fakeProc writes a /proc with one process.
func fakeProc(t *testing.T, pid int, stat, environ, cgroup string) string {
	t.Helper()
	proc := t.TempDir()
	dir := filepath.Join(proc, strconv.Itoa(pid))
	g := NewWithT(t)
	g.Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
	for name, content := range map[string]string{"stat": stat, "environ": environ, "cgroup": cgroup} {
		g.Expect(os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644)).To(Succeed())
	}
	g.Expect(os.MkdirAll(filepath.Join(proc, "sys"), 0o755)).To(Succeed()) // not a process
	return proc
}

func TestAProcessIsReadWithItsMarkAndItsCgroups(t *testing.T) {
	g := NewWithT(t)
	proc := fakeProc(t, 42, "42 (a (b) c) S 7 42 42 0", "PATH=/bin\x00THE_MARK=/state\x00X=1\x00", "3:memory:/openimstack/node\n0::/\n")
	all, err := Processes(proc, "THE_MARK")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all).To(Equal([]Process{{PID: 42, Parent: 7, Command: "a (b) c", Mark: "/state", Cgroups: "3:memory:/openimstack/node\n0::/\n"}}))
	g.Expect(Children(all, 7)).To(HaveLen(1))
	g.Expect(Children(all, 42)).To(BeEmpty())
}

func TestTheDeadAndTheGarbledAreLeftOut(t *testing.T) {
	for name, stat := range map[string]string{"zombie": "42 (x) Z 1 42", "garbled": "42", "no parent": "42 (x) S"} {
		t.Run(name, func(t *testing.T) {
			all, err := Processes(fakeProc(t, 42, stat, "", ""), "M")
			NewWithT(t).Expect(err).NotTo(HaveOccurred())
			NewWithT(t).Expect(all).To(BeEmpty())
		})
	}
}

func TestACgroupsNameMustMatchAWholePart(t *testing.T) {
	for cgroups, want := range map[string]bool{
		"0::/openimstack":                        true,
		"0::/openimstack/node":                   true,
		"5:cpu:/\n4:memory:/openimstack/pods/ab": true,
		"0::/openimstack-other":                  false,
		"0::/user.slice/openimstack":             false,
		"":                                       false,
	} {
		NewWithT(t).Expect(Process{Cgroups: cgroups}.InCgroup("openimstack")).To(Equal(want), cgroups)
	}
}

func TestARealProcessIsFoundByItsMarkUntilItEnds(t *testing.T) {
	g := NewWithT(t)
	c := Cluster{Name: "no-such-cgroup", Mark: "HOST_PROCESS_TEST"}
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	g.Expect(err).NotTo(HaveOccurred())
	cmd.Env = []string{"HOST_PROCESS_TEST=here"}
	g.Expect(cmd.Start()).To(Succeed())

	g.Eventually(c.Processes).
		Should(ConsistOf(And(HaveField("PID", cmd.Process.Pid), HaveField("Mark", "here"), HaveField("Parent", os.Getpid()))))
	g.Expect(stdin.Close()).To(Succeed())
	g.Expect(cmd.Wait()).To(Succeed())
	g.Expect(c.Processes()).To(BeEmpty())
}
