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

// archives is the folder of finished images.
type archives struct{ dir string }

// kept is how many archives of one image stay.
const kept = 3

// path is where the archive of an image is. References with another prefix than the default have files of their own, since
// the reference is inside.
func (a archives) path(name, tag, ref string) string {
	file := name + "-" + tag
	if !strings.HasPrefix(ref, DefaultPrefix) {
		sum := sha256.Sum256([]byte(ref))
		file += "-" + hex.EncodeToString(sum[:4])
	}
	return filepath.Join(a.dir, file+".tar")
}

// keyFile is beside each archive and says what it was made of.
func keyFile(archive string) string { return strings.TrimSuffix(archive, ".tar") + ".key" }

// has reports whether the archive is there and was made of the same parts, and notes that it is in use.
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

// scratch makes a folder for one build, on the same file system as the archives.
func (a archives) scratch() (string, error) {
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		return "", err
	}
	a.sweep()
	return os.MkdirTemp(a.dir, ".build-")
}

// sweep removes what builds left behind that were killed a while ago.
func (a archives) sweep() {
	old, _ := filepath.Glob(filepath.Join(a.dir, ".build-*"))
	for _, dir := range old {
		if info, err := os.Stat(dir); err == nil && time.Since(info.ModTime()) > time.Hour {
			_ = os.RemoveAll(dir)
		}
	}
}

// keep puts a finished archive in its place. The key comes last, so that half an archive never counts.
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

// prune removes all but the archives used last of each image. What cannot be removed stays: it does no harm.
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

// belongs reports whether an archive's file is of this image: after the name comes a tag, "dev-..." or "v...".
func belongs(file, name string) bool {
	tag := strings.TrimPrefix(file, name+"-")
	return strings.HasPrefix(tag, "dev-") || strings.HasPrefix(tag, "v")
}
