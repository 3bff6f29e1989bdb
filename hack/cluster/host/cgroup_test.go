package host

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// hierarchies makes folders that look like mounted hierarchies: the root itself for version 2.
func hierarchies(t *testing.T, names ...string) string {
	t.Helper()
	root := t.TempDir()
	for _, name := range names {
		dir := filepath.Join(root, name)
		NewWithT(t).Expect(os.MkdirAll(dir, 0o755)).To(Succeed())
		NewWithT(t).Expect(os.WriteFile(filepath.Join(dir, "cgroup.procs"), nil, 0o644)).To(Succeed())
	}
	return root
}

func TestVersion2HasOneHierarchyAndVersion1OneForEachController(t *testing.T) {
	g := NewWithT(t)
	two := hierarchies(t, ".")
	g.Expect(Hierarchies(two)).To(Equal([]string{two}))

	one := hierarchies(t, "cpu,cpuacct", "memory", "unified")
	g.Expect(os.Symlink("cpu,cpuacct", filepath.Join(one, "cpu"))).To(Succeed())
	g.Expect(os.Mkdir(filepath.Join(one, "not-a-hierarchy"), 0o755)).To(Succeed())
	g.Expect(Hierarchies(one)).
		To(Equal([]string{filepath.Join(one, "cpu,cpuacct"), filepath.Join(one, "memory"), filepath.Join(one, "unified")}))
	g.Expect(Hierarchies(filepath.Join(one, "nowhere"))).To(BeEmpty())
}

func TestAProcessJoinsEveryHierarchyButCpuset(t *testing.T) {
	g, root := NewWithT(t), hierarchies(t, "cpuset", "memory", "pids")
	g.Expect(JoinFiles(root, "c/node")).To(Equal([]string{
		filepath.Join(root, "memory", "c", "node", "cgroup.procs"),
		filepath.Join(root, "pids", "c", "node", "cgroup.procs"),
	}))
	g.Expect(filepath.Join(root, "cpuset", "c")).NotTo(BeADirectory())
	g.Expect(MakeCgroups(root, "c/pods")).To(Succeed())
	g.Expect(filepath.Join(root, "cpuset", "c", "pods")).To(BeADirectory(), "the kubelet wants its root everywhere")
}

func TestCgroupsAreRemovedFromTheDeepestUp(t *testing.T) {
	g, root := NewWithT(t), hierarchies(t, "memory", "pids")
	for _, dir := range []string{"memory/c/pods/a", "memory/c/pods/b", "pids/c/node", "pids/other"} {
		g.Expect(os.MkdirAll(filepath.Join(root, dir), 0o755)).To(Succeed())
	}
	g.Expect(Cgroups(root, "c")[:2]).To(Equal([]string{filepath.Join(root, "memory/c/pods/a"), filepath.Join(root, "memory/c/pods/b")}))
	g.Expect(RemoveCgroups(root, "c", time.Second)).To(Succeed())
	g.Expect(Cgroups(root, "c")).To(BeEmpty())
	g.Expect(filepath.Join(root, "pids/other")).To(BeADirectory())
}

func TestACgroupInUseIsTriedUntilTheDeadlineAndThenAnError(t *testing.T) {
	g, root := NewWithT(t), hierarchies(t, "memory")
	busy := filepath.Join(root, "memory/c/busy")
	g.Expect(os.MkdirAll(busy, 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(busy, "process"), nil, 0o644)).To(Succeed()) // keeps rmdir from succeeding
	g.Expect(RemoveCgroups(root, "c", 100*time.Millisecond)).To(MatchError(ContainSubstring("memory/c")))

	g.Expect(os.Remove(filepath.Join(busy, "process"))).To(Succeed())
	g.Expect(RemoveCgroups(root, "c", time.Second)).To(Succeed())
}

func TestACgroupThatOthersUseStays(t *testing.T) {
	g, root := NewWithT(t), hierarchies(t, "memory", "pids")
	g.Expect(os.MkdirAll(filepath.Join(root, "memory/k8s.io/foreign"), 0o755)).To(Succeed())
	g.Expect(os.MkdirAll(filepath.Join(root, "pids/k8s.io"), 0o755)).To(Succeed())
	RemoveEmpty(root, "k8s.io")
	g.Expect(filepath.Join(root, "memory/k8s.io/foreign")).To(BeADirectory())
	g.Expect(filepath.Join(root, "pids/k8s.io")).NotTo(BeADirectory())
}
