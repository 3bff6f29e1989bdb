package host

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Package is a Debian package and the files that show that the package, or its equivalent on another system, is installed.
type Package struct {
	// Name is the name of the package in Debian.
	Name string
	// Programs must all be found in PATH or in one of the usual folders of system programs.
	Programs []string
	// AnyOf lists files of which one must exist, for packages without a program in PATH.
	AnyOf []string
	// Static requires that the first program is statically linked.
	Static bool
}

// The packages that local clusters and image builds use.
var (
	Containerd = Package{Name: "containerd", Programs: []string{"containerd", "ctr", "containerd-shim-runc-v2"}}
	Runc       = Package{Name: "runc", Programs: []string{"runc"}}
	CNIPlugins = Package{
		Name:  "containernetworking-plugins",
		AnyOf: []string{"/usr/lib/cni/bridge", "/opt/cni/bin/bridge", "/usr/libexec/cni/bridge"},
	}
	IPTables    = Package{Name: "iptables", Programs: []string{"iptables", "iptables-save", "iptables-restore", "ip6tables"}}
	IPSet       = Package{Name: "ipset", Programs: []string{"ipset"}}
	Conntrack   = Package{Name: "conntrack", Programs: []string{"conntrack"}}
	IPRoute     = Package{Name: "iproute2", Programs: []string{"ip"}}
	QemuUser    = Package{Name: "qemu-user-static", Programs: []string{"qemu-aarch64-static"}}
	UtilLinux   = Package{Name: "util-linux", Programs: []string{"nsenter", "unshare", "taskset"}}
	Mount       = Package{Name: "mount", Programs: []string{"mount", "umount"}}
	Buildah     = Package{Name: "buildah", Programs: []string{"buildah"}}
	Busybox     = Package{Name: "busybox-static", Programs: []string{"busybox"}, Static: true}
	RedisServer = Package{Name: "redis-server", Programs: []string{"redis-server"}}

	// Packages for tests and benchmarks.
	EtcdServer = Package{Name: "etcd-server", Programs: []string{"etcd"}}
	Prometheus = Package{Name: "prometheus", Programs: []string{"prometheus", "promtool"}}
	GCC        = Package{Name: "gcc", Programs: []string{"gcc"}}
	NodeJS     = Package{Name: "nodejs", Programs: []string{"node"}}
	NPM        = Package{Name: "npm", Programs: []string{"npm"}}
	Chromium   = Package{Name: "chromium", Programs: []string{"chromium"}}
	Nginx      = Package{Name: "nginx-light", Programs: []string{"nginx"}}
	HAProxy    = Package{Name: "haproxy", Programs: []string{"haproxy"}}
	Caddy      = Package{Name: "caddy", Programs: []string{"caddy"}}
)

// ClusterPackages are the packages that the local cluster needs.
func ClusterPackages() []Package {
	return []Package{Containerd, Runc, CNIPlugins, IPTables, IPSet, Conntrack, IPRoute, UtilLinux, Mount}
}

// systemFolders lists folders of programs that a user's PATH often lacks.
var systemFolders = []string{"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"}

// Find returns the path of a program in PATH or in the usual folders, or "" if the program is missing.
func Find(program string) string { return find(program, searchPath(os.Getenv("PATH"))) }

// Path is PATH with the folders of system programs added.
func Path() string {
	return strings.Join(searchPath(os.Getenv("PATH")), string(filepath.ListSeparator))
}

func searchPath(path string) []string {
	folders := filepath.SplitList(path)
	for _, folder := range systemFolders {
		if !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	return folders
}

func find(program string, folders []string) string {
	for _, folder := range folders {
		path := filepath.Join(folder, program)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return path
		}
	}
	return ""
}

// Missing returns the packages that are not installed.
func Missing(packages ...Package) []Package {
	folders := searchPath(os.Getenv("PATH"))
	var missing []Package
	for _, p := range packages {
		if !p.present(folders) {
			missing = append(missing, p)
		}
	}
	return missing
}

func (p Package) present(folders []string) bool {
	for i, program := range p.Programs {
		path := find(program, folders)
		if path == "" || i == 0 && p.Static && !static(path) {
			return false
		}
	}
	if len(p.AnyOf) == 0 {
		return true
	}
	for _, file := range p.AnyOf {
		if _, err := os.Stat(file); err == nil {
			return true
		}
	}
	return false
}

// static reports whether an ELF file requests no interpreter, that is, no dynamic linker.
func static(path string) bool {
	file, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer file.Close()
	for _, program := range file.Progs {
		if program.Type == elf.PT_INTERP {
			return false
		}
	}
	return true
}
