package image

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"
)

// archives is the cache folder of finished images.
type archives struct{ dir string }

// kept is the number of archives of one image that stay in the cache.
const kept = 3

// path returns the path of an image's archive. References with another prefix than the default have files of their own, since the archive
// contains the reference.
func (a archives) path(name, tag, ref string) string {
	file := name + "-" + tag
	if !strings.HasPrefix(ref, DefaultPrefix) {
		sum := sha256.Sum256([]byte(ref))
		file += "-" + hex.EncodeToString(sum[:4])
	}
	return filepath.Join(a.dir, file+".tar")
}

// keyFile returns the path of the file beside an archive that holds the key of its parts.
func keyFile(archive string) string { return strings.TrimSuffix(archive, ".tar") + ".key" }

// has reports whether the archive exists and was built from the same parts, and marks it as used.
func (a archives) has(archive, key string) bool {
	content, err := os.ReadFile(keyFile(archive))
	if err != nil || string(content) != key {
		return false
	}
	if _, err := os.Stat(archive); err != nil {
		return false
	}
	now := time.Now()
	_ = os.Chtimes(archive, now, now)
	return true
}

// scratch creates a folder for one build, on the same file system as the archives.
func (a archives) scratch() (string, error) {
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return "", err
	}
	a.sweep()
	return os.MkdirTemp(a.dir, ".build-")
}

// sweep removes the remains of builds that were killed some time ago.
func (a archives) sweep() {
	old, _ := filepath.Glob(filepath.Join(a.dir, ".build-*"))
	for _, dir := range old {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(dir)
		}
	}
}

// keep moves a finished archive into the cache. The key is written last, so that a partial archive never counts.
func (a archives) keep(finished, archive, key string) error {
	if err := os.Remove(keyFile(archive)); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Rename(finished, archive); err != nil {
		return err
	}
	scratch := finished + ".key"
	if err := os.WriteFile(scratch, []byte(key), 0o644); err != nil {
		return err
	}
	return os.Rename(scratch, keyFile(archive))
}

// prune removes all but the most recently used archives of each image. Files that cannot be removed stay, which is harmless.
func (a archives) prune(results []Result) {
	for _, r := range results {
		files, _ := filepath.Glob(filepath.Join(a.dir, r.Name+"-*.tar"))
		type used struct {
			path string
			last time.Time
		}
		var all []used
		for _, file := range files {
			// "openim-server-*" matches "openim-server-upstream-layout-..." too
			if info, err := os.Stat(file); err == nil && belongs(filepath.Base(file), r.Name) {
				all = append(all, used{file, info.ModTime()})
			}
		}
		sort.Slice(all, func(i, j int) bool { return all[i].last.After(all[j].last) })
		for _, u := range all[min(kept, len(all)):] {
			_ = os.Remove(keyFile(u.path))
			_ = os.Remove(u.path)
		}
	}
}

// belongs reports whether an archive's file belongs to this image: the name is followed by a tag, "dev-..." or "v...".
func belongs(file, name string) bool {
	tag := strings.TrimPrefix(file, name+"-")
	return strings.HasPrefix(tag, "dev-") || strings.HasPrefix(tag, "v")
}
