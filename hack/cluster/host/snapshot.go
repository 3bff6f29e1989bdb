package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sort"
	"strings"
)

// Kind is a kind of object that a cluster could leave behind.
type Kind string

// The kinds that a Snapshot holds.
const (
	KindProcess   Kind = "process"
	KindMount     Kind = "mount"
	KindLink      Kind = "network link"
	KindNamespace Kind = "network namespace"
	KindCgroup    Kind = "cgroup"
	KindRule      Kind = "iptables rule"
	KindPath      Kind = "file or folder"
)

// Snapshot is the state of the host as far as a cluster may change it: for each kind the names of the existing objects.
type Snapshot map[Kind][]string

// watched lists folders in which programs of a node are known to create entries.
var watched = []string{"/run", "/run/netns", "/var/lib", "/var/log", "/etc/kubernetes", "/usr/libexec/kubernetes"}

// Take reads the state of the host. It includes processes with the cluster's mark or in its cgroup.
func Take(c Cluster) (Snapshot, error) {
	s := Snapshot{}
	processes, err := c.Processes()
	if err != nil {
		return nil, err
	}
	for _, p := range processes {
		s[KindProcess] = append(s[KindProcess], p.String())
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil, err
	}
	s[KindMount] = mountPoints(mounts)
	links, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	for _, link := range links {
		s[KindLink] = append(s[KindLink], link.Name)
	}
	s[KindNamespace] = entries("/run/netns")
	for _, hierarchy := range Hierarchies(CgroupRoot) {
		for _, pattern := range []string{"*", "*/*"} {
			s[KindCgroup] = append(s[KindCgroup], folders(filepath.Join(hierarchy, pattern))...)
		}
	}
	s[KindRule] = rules()
	for _, folder := range watched {
		for _, name := range entries(folder) {
			s[KindPath] = append(s[KindPath], filepath.Join(folder, name))
		}
	}
	return s, nil
}

// Save writes the snapshot to a file.
func (s Snapshot) Save(path string) error {
	content, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

// Load reads a snapshot. It returns nil without an error if the file does not exist.
func Load(path string) (Snapshot, error) {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var s Snapshot
	return s, json.Unmarshal(content, &s)
}

// mountPoints returns "type on /where" for each line of /proc/self/mounts.
func mountPoints(mounts []byte) []string {
	var points []string
	for lines := bufio.NewScanner(bytes.NewReader(mounts)); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) >= 3 {
			points = append(points, fields[2]+" on "+fields[1])
		}
	}
	sort.Strings(points)
	return points
}

// rules lists the host's own iptables rules. The list is empty if the host has no iptables.
func rules() []string {
	var all []string
	for _, program := range []string{"iptables-save", "ip6tables-save"} {
		out, err := exec.Command(program).Output()
		if err != nil {
			continue
		}
		for _, line := range strings.Split(string(out), "\n") {
			if strings.HasPrefix(line, "-") || strings.HasPrefix(line, ":") {
				line, _, _ = strings.Cut(line, " [") // packet counters change by themselves
				all = append(all, program+": "+line)
			}
		}
	}
	return all
}

// folders lists the folders that match the pattern.
func folders(pattern string) []string {
	matches, _ := filepath.Glob(pattern) // the patterns are constants and well-formed
	return slices.DeleteFunc(matches, func(path string) bool {
		info, err := os.Stat(path)
		return err != nil || !info.IsDir()
	})
}

func entries(folder string) []string {
	list, err := os.ReadDir(folder)
	if err != nil {
		return nil
	}
	var all []string
	for _, entry := range list {
		all = append(all, entry.Name())
	}
	return all
}

// MountsBelow lists the mount points at or below a folder from /proc/self/mounts, innermost first.
func MountsBelow(mounts []byte, folder string) []string {
	var points []string
	for lines := bufio.NewScanner(bytes.NewReader(mounts)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && (fields[1] == folder || strings.HasPrefix(fields[1], folder+"/")) {
			points = append(points, fields[1])
		}
	}
	sort.Sort(sort.Reverse(sort.StringSlice(points)))
	return points
}
