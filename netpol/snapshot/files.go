package snapshot

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Bounds of a folder. The manifests of a large cluster need a tenth of them.
const (
	maxFiles     = 50_000
	maxFileSize  = 16 << 20
	maxTotalSize = 512 << 20
	maxDepth     = 64
)

// FromFiles takes a snapshot of a folder of manifests or of one file: the output of `helm template`, `kustomize build` or
// `kubectl get -o yaml`, in .yaml, .yml and .json. An object without a namespace belongs to the given one, or to default. Each workload
// becomes one pod. Symbolic links and names that begin with a dot are not followed.
//
// Each warning names something that was skipped and may matter. The error names the file and the line.
func FromFiles(dir, namespace string) (*Snapshot, []string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("reading manifests: %w", err)
	}
	folder, start := dir, "."
	if !info.IsDir() {
		folder, start = filepath.Dir(dir), filepath.Base(dir)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("reading manifests: %w", err)
	}
	defer func() { _ = root.Close() }()
	f := &folderReading{root: root, collected: newCollection(namespace)}
	if info.IsDir() {
		err = fs.WalkDir(root.FS(), start, f.visit)
	} else {
		err = f.file(start)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading manifests in %s: %w", dir, err)
	}
	f.collected.settings()
	w := f.collected.snapshot
	w.Origin = Origin{Kind: Files, Name: dir}
	w.placeBelow(folder)
	w.finish()
	return w, append(f.warnings, f.collected.warnings()...), nil
}

// folderReading reads the files of a folder.
type folderReading struct {
	root      *os.Root
	collected *collection
	warnings  []string
	files     int
	size      int64
}

func (f *folderReading) visit(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	hidden := strings.HasPrefix(entry.Name(), ".") && name != "."
	switch {
	case hidden && entry.IsDir():
		return fs.SkipDir
	case hidden:
		return nil
	case entry.IsDir() && strings.Count(name, "/") >= maxDepth:
		return fmt.Errorf("%s: folders are nested more than %d deep", name, maxDepth)
	case entry.IsDir():
		return nil
	case entry.Type()&fs.ModeSymlink != 0:
		f.warnLink(name)
		return nil
	case !entry.Type().IsRegular() || !isManifest(name):
		return nil
	}
	return f.file(name)
}

func isManifest(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// warnLink warns about a link that leads out of the folder. The target of a link within the folder is read in any case.
func (f *folderReading) warnLink(name string) {
	if info, err := f.root.Stat(name); err == nil && (info.IsDir() || isManifest(name)) {
		return
	}
	f.warnings = append(f.warnings, fmt.Sprintf("skipped the symbolic link %s: its target is outside the folder or does not exist", name))
}

func (f *folderReading) file(name string) error {
	if f.files++; f.files > maxFiles {
		return fmt.Errorf("there are more than %d manifests: audit one environment at a time", maxFiles)
	}
	content, err := f.read(name)
	if err != nil {
		return err
	}
	if f.size += int64(len(content)); f.size > maxTotalSize {
		return fmt.Errorf("the manifests exceed %d MiB: audit one environment at a time", maxTotalSize>>20)
	}
	return documents(name, content, f.collected.add)
}

func (f *folderReading) read(name string) ([]byte, error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFileSize+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(content) > maxFileSize {
		return nil, fmt.Errorf("%s exceeds %d MiB: split the file", name, maxFileSize>>20)
	}
	return content, nil
}
