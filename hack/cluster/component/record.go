package component

import (
	"encoding/json"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// recordFile marks a finished folder in the cache.
const recordFile = ".component.json"

// keep is the number of builds of one component that stay in the cache.
const keep = 3

// Record describes the build in a finished folder.
type Record struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	Built   time.Time `json:"built"`
}

// Read returns the record of a finished folder.
func Read(dir string) (Record, error) {
	var r Record
	content, err := os.ReadFile(filepath.Join(dir, recordFile))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(content, &r)
}

// done reports whether the folder is finished, and marks it as used.
func done(dir string) bool {
	if _, err := Read(dir); err != nil {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(filepath.Join(dir, recordFile), now, now)
	return true
}

// prune removes all but the most recently used builds of one component. Folders that cannot be removed stay, which is harmless.
func prune(bin, name string) {
	entries, err := os.ReadDir(bin)
	if err != nil {
		return
	}
	type used struct {
		dir  string
		last time.Time
	}
	var builds []used
	for _, entry := range entries {
		dir := filepath.Join(bin, entry.Name())
		r, err := Read(dir)
		if err != nil || r.Name != name {
			continue
		}
		info, err := os.Stat(filepath.Join(dir, recordFile))
		if err != nil {
			continue
		}
		builds = append(builds, used{dir, info.ModTime()})
	}
	sort.Slice(builds, func(i, j int) bool { return builds[i].last.After(builds[j].last) })
	for _, build := range builds[min(keep, len(builds)):] {
		_ = os.RemoveAll(build.dir)
	}
}
