package host

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// CgroupRoot is where the kernel's cgroup hierarchies are mounted.
const CgroupRoot = "/sys/fs/cgroup"

// Hierarchies lists the cgroup mounts below root: root itself for version 2, one for each controller of version 1.
func Hierarchies(root string) []string {
	if isHierarchy(root) {
		return []string{root}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil
	}
	var all []string
	for _, entry := range entries {
		dir := filepath.Join(root, entry.Name())
		if entry.Type()&os.ModeSymlink == 0 && isHierarchy(dir) { // cpu,cpuacct has symlinks beside it
			all = append(all, dir)
		}
	}
	return all
}

func isHierarchy(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "cgroup.procs"))
	return err == nil
}

// JoinFiles creates the cgroup in each hierarchy and returns the files through which a process joins it.
// The cpuset hierarchy of version 1 is left out: a new cgroup there accepts no process before processors and memory are assigned to it.
func JoinFiles(root, name string) ([]string, error) {
	var files []string
	for _, hierarchy := range Hierarchies(root) {
		if filepath.Base(hierarchy) == "cpuset" {
			continue
		}
		dir := filepath.Join(hierarchy, name)
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, err
		}
		files = append(files, filepath.Join(dir, "cgroup.procs"))
	}
	return files, nil
}

// MakeCgroups creates the cgroup in each hierarchy.
func MakeCgroups(root, name string) error {
	for _, hierarchy := range Hierarchies(root) {
		if err := os.MkdirAll(filepath.Join(hierarchy, name), 0o755); err != nil {
			return err
		}
	}
	return nil
}

// RemoveEmpty removes a cgroup from each hierarchy where it holds neither processes nor other cgroups.
func RemoveEmpty(root, name string) {
	for _, hierarchy := range Hierarchies(root) {
		_ = os.Remove(filepath.Join(hierarchy, name)) // the kernel refuses cgroups in use
	}
}

// Cgroups lists the cgroups of that name and all below them, deepest first.
func Cgroups(root, name string) []string {
	var all []string
	for _, hierarchy := range Hierarchies(root) {
		_ = filepath.WalkDir(filepath.Join(hierarchy, name), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				all = append(all, path)
			}
			return nil // a cgroup that vanishes meanwhile needs no removal
		})
	}
	sort.Slice(all, func(i, j int) bool {
		di, dj := strings.Count(all[i], "/"), strings.Count(all[j], "/")
		return di > dj || di == dj && all[i] < all[j]
	})
	return all
}

// RemoveCgroups removes the cgroups of that name. The kernel refuses for a moment after the last process has died, so it tries until the deadline.
func RemoveCgroups(root, name string, patience time.Duration) error {
	deadline := time.After(patience)
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		var failed error
		for _, dir := range Cgroups(root, name) {
			if err := os.Remove(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
				failed = err
			}
		}
		if failed == nil {
			return nil
		}
		select {
		case <-deadline:
			return failed
		case <-again.C:
		}
	}
}
