package host

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
)

// tools fills a folder with programs of the given names.
func tools(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		NewWithT(t).Expect(os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755)).To(Succeed())
	}
	return dir
}

func TestAPackageIsThereWhenAllItsProgramsAre(t *testing.T) {
	cases := map[string]struct {
		there []string
		want  Package
		found bool
	}{
		"all programs":              {[]string{"containerd", "ctr"}, Package{Programs: []string{"containerd", "ctr"}}, true},
		"one missing":               {[]string{"containerd"}, Package{Programs: []string{"containerd", "ctr"}}, false},
		"a script is not static":    {[]string{"busybox"}, Package{Programs: []string{"busybox"}, Static: true}, false},
		"one file of several":       {nil, Package{AnyOf: []string{"/nowhere", "/proc/self/stat"}}, true},
		"none of the files":         {nil, Package{AnyOf: []string{"/nowhere"}}, false},
		"programs but not the file": {[]string{"a"}, Package{Programs: []string{"a"}, AnyOf: []string{"/nowhere"}}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(c.want.present([]string{tools(t, c.there...)})).To(Equal(c.found))
		})
	}
}

func TestOnlyExecutableFilesCountAsPrograms(t *testing.T) {
	g, dir := NewWithT(t), tools(t, "yes")
	g.Expect(os.WriteFile(filepath.Join(dir, "no"), nil, 0o644)).To(Succeed())
	g.Expect(os.Mkdir(filepath.Join(dir, "folder"), 0o755)).To(Succeed())
	g.Expect(find("yes", []string{"/nowhere", dir})).To(Equal(filepath.Join(dir, "yes")))
	g.Expect(find("no", []string{dir})).To(BeEmpty())
	g.Expect(find("folder", []string{dir})).To(BeEmpty())
}

func TestProgramsOfTheSystemAreFoundThoughPATHLacksTheirFolder(t *testing.T) {
	g := NewWithT(t)
	g.Expect(searchPath("/usr/bin")).To(ContainElements("/usr/bin", "/usr/sbin", "/sbin"))
	g.Expect(searchPath("/opt/first:/usr/sbin")[0]).To(Equal("/opt/first"))
	g.Expect(searchPath("/usr/sbin")).To(HaveLen(len(systemFolders)), "no folder twice")
}

func TestAProgramIsStaticWhenItAsksForNoDynamicLinker(t *testing.T) {
	g, dir := NewWithT(t), t.TempDir()
	for name, segment := range map[string]elf.ProgType{"static": elf.PT_LOAD, "dynamic": elf.PT_INTERP} {
		var file bytes.Buffer
		g.Expect(binary.Write(&file, binary.LittleEndian, elf.Header64{
			Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
			Type:  uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: uint32(elf.EV_CURRENT),
			Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 1,
		})).To(Succeed())
		g.Expect(binary.Write(&file, binary.LittleEndian, elf.Prog64{Type: uint32(segment)})).To(Succeed())
		g.Expect(os.WriteFile(filepath.Join(dir, name), file.Bytes(), 0o755)).To(Succeed())
	}
	g.Expect(static(filepath.Join(dir, "static"))).To(BeTrue())
	g.Expect(static(filepath.Join(dir, "dynamic"))).To(BeFalse())
	g.Expect(static(filepath.Join(dir, "none"))).To(BeFalse())
}

func TestWithoutAptGetOneSentenceNamesWhatIsMissing(t *testing.T) {
	err := notInstallable([]Package{Runc, CNIPlugins, {Name: "p", Programs: []string{"x", "y"}}})
	NewWithT(t).Expect(err).To(MatchError(
		"programs are missing and this system has no apt-get: install runc, " +
			"one of /usr/lib/cni/bridge /opt/cni/bin/bridge /usr/libexec/cni/bridge, x, y " +
			"(Debian's packages: runc containernetworking-plugins p)"))
}

func TestNothingIsDoneWhenNothingIsMissing(t *testing.T) {
	g := NewWithT(t)
	t.Setenv("PATH", tools(t, "apt-get", "there")) // this apt-get would succeed; its output would tell
	var out bytes.Buffer
	g.Expect(Ensure(context.Background(), &out, Package{Name: "p", Programs: []string{"there"}})).To(Succeed())
	g.Expect(out.String()).To(BeEmpty())
}

func TestAnInstallationThatBringsNoProgramIsAnError(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("installing packages needs root")
	}
	g := NewWithT(t)
	t.Setenv("PATH", tools(t, "apt-get"))
	if _, err := os.Stat(policyFile); err == nil {
		t.Skip("this machine has a policy for services of its own")
	}
	var out bytes.Buffer
	err := Ensure(context.Background(), &out, Package{Name: "p", Programs: []string{"a-program-that-is-nowhere"}})
	g.Expect(err).To(MatchError(ContainSubstring("still not found: a-program-that-is-nowhere")))
	g.Expect(out.String()).To(ContainSubstring("installing Debian packages: p"))
	g.Expect(policyFile).NotTo(BeAnExistingFile(), "services may start again")
}

func TestServicesAreForbiddenOnlyWhilePackagesAreInstalled(t *testing.T) {
	g, file := NewWithT(t), filepath.Join(t.TempDir(), "policy-rc.d")
	allow, err := forbidServices(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.ReadFile(file)).To(ContainSubstring("exit 101"))

	allowAfterKill, err := forbidServices(file) // as after a run that was killed
	g.Expect(err).NotTo(HaveOccurred())
	allow()
	allowAfterKill()
	g.Expect(file).NotTo(BeAnExistingFile())
}

func TestAnAdministratorsPolicyForServicesStays(t *testing.T) {
	g, file := NewWithT(t), filepath.Join(t.TempDir(), "policy-rc.d")
	g.Expect(os.WriteFile(file, []byte("#!/bin/sh\nexit 0\n"), 0o755)).To(Succeed())
	allow, err := forbidServices(file)
	g.Expect(err).NotTo(HaveOccurred())
	allow()
	g.Expect(os.ReadFile(file)).To(ContainSubstring("exit 0"))
}

func TestLinuxAndRootAreAskedForInOneSentence(t *testing.T) {
	g := NewWithT(t)
	g.Expect(require("the local cluster", "linux", 0)).To(Succeed())
	g.Expect(require("the local cluster", "darwin", 0)).To(MatchError(And(ContainSubstring("needs Linux"), ContainSubstring("darwin"))))
	g.Expect(require("the local cluster", "linux", 1000)).To(MatchError(And(ContainSubstring("needs root"), ContainSubstring("sudo"))))
}
