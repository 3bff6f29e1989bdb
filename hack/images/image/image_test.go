package image

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/cluster/component"
)

func TestEveryRecipeHasItsDockerfileAndTarget(t *testing.T) {
	g := NewWithT(t)
	root, err := component.Root()
	g.Expect(err).NotTo(HaveOccurred())
	seen := map[string]bool{}
	for _, r := range recipes() {
		g.Expect(seen[r.name]).To(BeFalse(), r.name)
		seen[r.name] = true
		content, err := os.ReadFile(filepath.Join(root, r.dockerfile))
		g.Expect(err).NotTo(HaveOccurred())
		text := string(content)
		if r.target != "" {
			g.Expect(text).To(ContainSubstring(" AS "+r.target+"\n"), r.name)
		}
		g.Expect(text).To(ContainSubstring("\nUSER 65532:65532\n"), r.name+" does not run as root")
		for _, line := range strings.Split(text, "\n") {
			if from, ok := strings.CutPrefix(line, "FROM "); ok {
				g.Expect(from).To(Or(HavePrefix("scratch"), HavePrefix("server ")), r.name+" pulls nothing")
			}
			g.Expect(line).NotTo(HavePrefix("RUN "), r.name+" runs nothing while it is built")
		}
	}
	g.Expect(seen).To(HaveLen(16))
}

func TestChoosing(t *testing.T) {
	g := NewWithT(t)
	all, err := choose(recipes(), Options{Arch: runtime.GOARCH})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(all).To(HaveLen(len(recipes()) - 2))
	for _, r := range all {
		g.Expect(r.onDemand).To(BeFalse(), r.name+" is built when it is named")
	}
	for _, name := range []string{InfraPrometheus, InfraTraefik} {
		named, err := choose(recipes(), Options{Arch: runtime.GOARCH, Only: []string{name}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(named).To(HaveLen(1))
		g.Expect(named[0].name).To(Equal(name))
	}

	some, err := choose(recipes(), Options{Arch: runtime.GOARCH, Only: []string{InfraKafka, Operator}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect([]string{some[0].name, some[1].name}).To(Equal([]string{Operator, InfraKafka}), "in the order of the table")

	_, err = choose(recipes(), Options{Arch: runtime.GOARCH, Only: []string{"infra-mysql"}})
	g.Expect(err).To(MatchError(ContainSubstring("use openim-operator, ")))

	_, err = choose(recipes(), Options{Arch: "s390x", Only: []string{InfraRedis}})
	g.Expect(err).To(MatchError(ContainSubstring("can only be built for " + runtime.GOARCH)))
	_, err = choose(recipes(), Options{Arch: "s390x", Only: []string{Operator, Wrapper}})
	g.Expect(err).NotTo(HaveOccurred())
}

func TestDefaults(t *testing.T) {
	g := NewWithT(t)
	o := Options{}.withDefaults()
	g.Expect(o.Prefix).To(Equal("openimstack/"))
	g.Expect(o.Arch).To(Equal(runtime.GOARCH))
	g.Expect(o.Out).NotTo(BeNil())
}

func TestLibrariesAreThoseOfTheLinker(t *testing.T) {
	g := NewWithT(t)
	files, err := parseLDD(`	linux-vdso.so.1 (0x00007ffd2c5e6000)
	libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f0c1b000000)
	libc.so.6 => /usr/lib/../lib/x86_64-linux-gnu/libc.so.6 (0x00007f0c1a000000)
	/lib64/ld-linux-x86-64.so.2 (0x00007f0c1c000000)
`)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).
		To(Equal([]string{"/lib/x86_64-linux-gnu/libm.so.6", "/lib64/ld-linux-x86-64.so.2", "/usr/lib/x86_64-linux-gnu/libc.so.6"}))

	_, err = parseLDD("\tlibhiredis.so.0.14 => not found\n")
	g.Expect(err).To(MatchError(ContainSubstring("a library is missing: libhiredis.so.0.14")))
}

// fixture is a recipe without components, of files of the test's own.
func fixture(t *testing.T) (recipe, string) {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "Dockerfile"), "FROM scratch\n")
	write(t, filepath.Join(root, "real"), "one")
	if err := os.Symlink("real", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	return recipe{name: "fixture", dockerfile: "Dockerfile", files: func(arch string) (map[string]source, error) {
		return map[string]source{
			"bin/a":         {path: filepath.Join(root, "real")},
			"links/" + arch: {link: "/bin/a"},
		}, nil
	}}, root
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
		t.Fatal(err)
	}
}

func TestTheKeyCoversWhatGoesIn(t *testing.T) {
	g := NewWithT(t)
	r, root := fixture(t)
	key := func(r recipe, arch string) string {
		p, err := r.prepare(t.Context(), root, arch, &bytes.Buffer{})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(p.tag).To(Equal("dev-" + p.key[:12]))
		return p.key
	}
	before := key(r, "amd64")
	g.Expect(key(r, "amd64")).To(Equal(before), "nothing changed")
	g.Expect(key(r, "arm64")).NotTo(Equal(before), "another architecture")
	staged := r
	staged.target = "other"
	g.Expect(key(staged, "amd64")).NotTo(Equal(before), "another stage of the Dockerfile")
	write(t, filepath.Join(root, "real"), "two")
	g.Expect(key(r, "amd64")).NotTo(Equal(before), "a file changed")
	write(t, filepath.Join(root, "real"), "one")
	g.Expect(key(r, "amd64")).To(Equal(before), "and back")
	write(t, filepath.Join(root, "Dockerfile"), "FROM scratch\nUSER 1\n")
	g.Expect(key(r, "amd64")).NotTo(Equal(before), "the Dockerfile changed")
}

func TestTheContextHoldsFilesAndLinks(t *testing.T) {
	g := NewWithT(t)
	r, root := fixture(t)
	p, err := r.prepare(t.Context(), root, "amd64", &bytes.Buffer{})
	g.Expect(err).NotTo(HaveOccurred())
	dir := t.TempDir()
	g.Expect(p.writeContext(dir)).To(Succeed())
	g.Expect(os.ReadFile(filepath.Join(dir, "bin/a"))).To(Equal([]byte("one")))
	g.Expect(os.Readlink(filepath.Join(dir, "links/amd64"))).To(Equal("/bin/a"))
	g.Expect(os.ReadFile(filepath.Join(dir, dockerfileName))).To(Equal([]byte("FROM scratch\n")))
}

func TestArchivesCountOnlyWithTheirKey(t *testing.T) {
	g := NewWithT(t)
	store := archives{dir: filepath.Join(t.TempDir(), "images")}
	scratch, err := store.scratch()
	g.Expect(err).NotTo(HaveOccurred())
	finished := filepath.Join(scratch, "image.tar")
	write(t, finished, "an image")
	archive := store.path("infra-redis", "dev-1", DefaultPrefix+"infra-redis:dev-1")
	g.Expect(store.has(archive, "key")).To(BeFalse())
	g.Expect(store.keep(finished, archive, "key")).To(Succeed())
	g.Expect(store.has(archive, "key")).To(BeTrue())
	g.Expect(store.has(archive, "another")).To(BeFalse(), "same tag, other content: built again")
	g.Expect(os.Remove(archive)).To(Succeed())
	g.Expect(store.has(archive, "key")).To(BeFalse())
	g.Expect(store.path("a", "v1", "registry.example.com/im/a:v1")).
		NotTo(Equal(store.path("a", "v1", DefaultPrefix+"a:v1")), "the reference is inside")
}

func TestOldArchivesGoAndOthersStay(t *testing.T) {
	g := NewWithT(t)
	store := archives{dir: t.TempDir()}
	make := func(name string, age time.Duration) string {
		path := filepath.Join(store.dir, name)
		write(t, path, "x")
		write(t, keyFile(path), "key")
		when := time.Now().Add(-age)
		g.Expect(os.Chtimes(path, when, when)).To(Succeed())
		return path
	}
	var all []string
	for i, name := range []string{"openim-server-dev-a.tar", "openim-server-v3.8.3.tar", "openim-server-dev-b.tar",
		"openim-server-dev-c.tar"} {
		all = append(all, make(name, time.Duration(i)*time.Hour))
	}
	other := make("openim-server-upstream-layout-v3.8.3.tar", 100*time.Hour)
	store.prune([]Result{{Name: OpenIMServer}})
	for i, path := range all {
		if i < kept {
			g.Expect(path).To(BeAnExistingFile())
		} else {
			g.Expect(path).NotTo(BeAnExistingFile())
			g.Expect(keyFile(path)).NotTo(BeAnExistingFile())
		}
	}
	g.Expect(other).To(BeAnExistingFile(), "of another image whose name begins the same")
}

func TestWhatAKilledBuildLeftGoesLater(t *testing.T) {
	g := NewWithT(t)
	store := archives{dir: t.TempDir()}
	dead, err := store.scratch()
	g.Expect(err).NotTo(HaveOccurred())
	alive, err := store.scratch()
	g.Expect(err).NotTo(HaveOccurred())
	old := time.Now().Add(-2 * time.Hour)
	g.Expect(os.Chtimes(dead, old, old)).To(Succeed())
	_, err = store.scratch()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(dead).NotTo(BeADirectory())
	g.Expect(alive).To(BeADirectory())
}

func TestComponentsArePinned(t *testing.T) {
	g := NewWithT(t)
	root, err := component.Root()
	g.Expect(err).NotTo(HaveOccurred())
	for _, spec := range []component.Spec{OpenIM(root), Kafka(root), MongoDB(root), FerretDB(root), S3(root), Traefik(root)} {
		g.Expect(filepath.Join(spec.Dir, "go.mod")).To(BeAnExistingFile(), spec.Name)
		g.Expect(filepath.Join(spec.Dir, "go.sum")).To(BeAnExistingFile(), spec.Name+" is pinned")
	}
}
