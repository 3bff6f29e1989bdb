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

// Bounds of a folder. A repository of manifests for a large cluster is a tenth of it.
const (
	maxFiles     = 50_000
	maxFileSize  = 16 << 20
	maxTotalSize = 512 << 20
	maxDepth     = 64
)

// FromFiles takes a snapshot from a folder of manifests, or from one file: what `helm template`, `kustomize build` or
// `kubectl get -o yaml` write, in .yaml, .yml and .json. An object without a namespace is in the one given, or in default. Workloads
// become pods, one each. Symbolic links and names that begin with a dot are not followed.
//
// Warnings name what was left out and may matter, one sentence each. The error names the file and the line.
func FromFiles(dir, namespace string) (*World, []string, error) {
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
	w.Source = Source{Kind: Files, Name: dir}
	w.finish()
	return w, append(f.warnings, f.collected.warnings()...), nil
}

// folderReading is a walk through a folder.
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

// warnLink tells of a link that leads out of the folder. One that stays within leads to what is read anyway.
func (f *folderReading) warnLink(name string) {
	if info, err := f.root.Stat(name); err == nil && (info.IsDir() || isManifest(name)) {
		return
	}
	f.warnings = append(f.warnings, fmt.Sprintf("%s is a symbolic link that leads out of the folder, or nowhere: it was not followed", name))
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
		return fmt.Errorf("the manifests have more than %d MiB: audit one environment at a time", maxTotalSize>>20)
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
		return nil, fmt.Errorf("%s has more than %d MiB: split it", name, maxFileSize>>20)
	}
	return content, nil
}
