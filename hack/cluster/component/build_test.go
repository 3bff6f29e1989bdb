package component

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

// program is a module with one main package that prints a stamped word and an embedded one.
func program(t *testing.T) Spec {
	t.Setenv(CacheEnv, t.TempDir())
	dir := module(t, map[string]string{
		"go.mod": "module example.com/server/v3\n\ngo 1.26.0\n",
		"main.go": "package main\n\nimport _ \"embed\"\n\n//go:embed word.txt\nvar word string\nvar stamp string\n\nfunc main() { " +
			"print(stamp, \" \", word) }\n",
		"word.txt":  "embedded",
		"README.md": "words",
	})
	return Spec{
		Name: "server", Dir: dir, Version: "v3", Packages: []string{"."},
		Stamp: func(v string) []string { return []string{"main.stamp=" + v} },
		Out:   &bytes.Buffer{},
	}
}

func says(g *WithT, path string) string {
	out, err := exec.Command(path).CombinedOutput()
	g.Expect(err).NotTo(HaveOccurred())
	return string(out)
}

func TestAProgramIsBuiltOnceAndAgainOnlyWhenItsSourcesChange(t *testing.T) {
	g, ctx, spec := NewWithT(t), context.Background(), program(t)
	spec.Rename = map[string]string{"server": "renamed"}
	first, err := Build(ctx, spec)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Base(first)).To(MatchRegexp(`^server-v3-[0-9a-f]{8}$`))
	g.Expect(says(g, filepath.Join(first, "renamed"))).To(Equal("v3 embedded"))
	g.Expect(spec.Out.(*bytes.Buffer).String()).To(ContainSubstring("building v3 from source"))
	record, err := Read(first)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(record.Name + " " + record.Version).To(Equal("server v3"))

	spec.Out = &bytes.Buffer{}
	g.Expect(os.WriteFile(filepath.Join(spec.Dir, "README.md"), []byte("other"), 0o644)).To(Succeed())
	g.Expect(Build(ctx, spec)).To(Equal(first))
	g.Expect(spec.Out.(*bytes.Buffer).String()).To(BeEmpty(), "a cached build has nothing to tell")

	g.Expect(os.WriteFile(filepath.Join(spec.Dir, "word.txt"), []byte("changed"), 0o644)).To(Succeed())
	second, err := Build(ctx, spec)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(second).NotTo(Equal(first))
	g.Expect(says(g, filepath.Join(second, "renamed"))).To(Equal("v3 changed"))
}

func TestAFailedBuildShowsTheCompilersWordsAndLeavesNoFolder(t *testing.T) {
	g, spec := NewWithT(t), program(t)
	g.Expect(os.WriteFile(filepath.Join(spec.Dir, "main.go"), []byte("package main\n\nfunc main() { undefinedThing() }\n"), 0o644)).
		To(Succeed())
	_, err := Build(context.Background(), spec)
	g.Expect(err).
		To(MatchError(And(ContainSubstring("component server"), ContainSubstring("undefined: undefinedThing"), ContainSubstring("server.log"))))
	finished, _ := filepath.Glob(filepath.Join(os.Getenv(CacheEnv), "bin", "server-*"))
	g.Expect(finished).To(BeEmpty())
	g.Expect(filepath.Join(os.Getenv(CacheEnv), "bin", ".tmp-server")).NotTo(BeADirectory())
}

func TestPrepareWorksOnACopyThatIsThenBuilt(t *testing.T) {
	g, spec := NewWithT(t), program(t)
	spec.Prepare = func(_ context.Context, dir string) error {
		return os.WriteFile(filepath.Join(dir, "word.txt"), []byte("prepared"), 0o644)
	}
	dir, err := Build(context.Background(), spec)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(says(g, filepath.Join(dir, "server"))).To(Equal("v3 prepared"))
	g.Expect(os.ReadFile(filepath.Join(spec.Dir, "word.txt"))).To(Equal([]byte("embedded")))
}

func TestWhoeverWantsTheSameComponentWaitsForTheFirst(t *testing.T) {
	g, spec := NewWithT(t), program(t)
	var prepared int
	spec.Prepare = func(context.Context, string) error { prepared++; return nil } // under the lock
	dirs := make([]string, 3)
	var wait sync.WaitGroup
	for i := range dirs {
		wait.Go(func() {
			own := spec
			own.Out = &bytes.Buffer{}
			dirs[i], _ = Build(context.Background(), own)
		})
	}
	wait.Wait()
	g.Expect(dirs[0]).To(BeADirectory())
	g.Expect(dirs).To(HaveEach(dirs[0]))
	g.Expect(prepared).To(Equal(1))
}

func TestTheRemainsOfAKilledBuildAreNotMistakenForABuild(t *testing.T) {
	g, spec := NewWithT(t), program(t)
	scratch := filepath.Join(os.Getenv(CacheEnv), "bin", ".tmp-server", "bin")
	g.Expect(os.MkdirAll(scratch, 0o755)).To(Succeed())
	g.Expect(os.WriteFile(filepath.Join(scratch, "half"), nil, 0o755)).To(Succeed())
	dir, err := Build(context.Background(), spec)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Join(dir, "half")).NotTo(BeAnExistingFile())
}

func TestOnlyTheLastUsedBuildsOfAComponentAreKept(t *testing.T) {
	g, bin := NewWithT(t), t.TempDir()
	add := func(folder, name string, age time.Duration) {
		g.Expect(os.MkdirAll(filepath.Join(bin, folder), 0o755)).To(Succeed())
		file := filepath.Join(bin, folder, recordFile)
		g.Expect(os.WriteFile(file, []byte(`{"name":"`+name+`"}`), 0o644)).To(Succeed())
		g.Expect(os.Chtimes(file, time.Now().Add(-age), time.Now().Add(-age))).To(Succeed())
	}
	for i, folder := range []string{"m-dev-00000001", "m-dev-00000002", "m-dev-00000003", "m-dev-00000004"} {
		add(folder, "m", time.Duration(i)*time.Hour)
	}
	add("m-other-dev-00000009", "m-other", 99*time.Hour)
	g.Expect(done(filepath.Join(bin, "m-dev-00000004"))).To(BeTrue(), "use makes the oldest the newest")
	prune(bin, "m")
	g.Expect(filepath.Join(bin, "m-dev-00000004")).To(BeADirectory())
	g.Expect(filepath.Join(bin, "m-dev-00000003")).NotTo(BeADirectory())
	g.Expect(filepath.Join(bin, "m-other-dev-00000009")).To(BeADirectory(), "another component")
}

func TestTheCacheStandsWhereTheEnvironmentSays(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("HOME", "/home/u")
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv(CacheEnv, "")
	g.Expect(Cache()).To(Equal("/home/u/.cache/openim-operator"))
	t.Setenv("XDG_CACHE_HOME", "/xdg")
	g.Expect(Cache()).To(Equal("/xdg/openim-operator"))
	t.Setenv(CacheEnv, "/own")
	g.Expect(Cache()).To(Equal("/own"))
}

func TestTheRepositoryIsFoundFromBelowAndSaidToBeMissingElsewhere(t *testing.T) {
	g := NewWithT(t)
	root, err := Root()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(filepath.Join(root, "go.mod")).To(BeARegularFile())
	t.Chdir(t.TempDir())
	_, err = Root()
	g.Expect(err).To(MatchError(ContainSubstring("not inside the repository")))
}
