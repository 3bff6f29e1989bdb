package image

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/cluster/host"
)

// plan is an image whose parts are all built, with its key.
type plan struct {
	recipe
	arch       string
	dockerfile string            // content
	context    map[string]source // path in the build context to what goes there
	key        string            // hex SHA-256 over all of it
	tag        string
}

// generation is part of every key. Raise it when this package builds different images from the same parts.
const generation = "2"

// prepare builds or finds the parts of a recipe.
func (r recipe) prepare(ctx context.Context, root, arch string, out io.Writer) (*plan, error) {
	p := &plan{recipe: r, arch: arch, context: map[string]source{}, tag: r.fixedTag}
	content, err := os.ReadFile(filepath.Join(root, r.dockerfile))
	if err != nil {
		return nil, err
	}
	p.dockerfile = string(content)
	if err := host.Ensure(ctx, out, r.packages...); err != nil {
		return nil, err
	}

	words := []string{"generation " + generation, "dockerfile " + p.dockerfile, "target " + r.target, "arch " + arch}
	for _, part := range r.components {
		spec := part.spec(root, arch)
		spec.Out = out
		dir, err := component.Build(ctx, spec)
		if err != nil {
			return nil, err
		}
		programs, err := part.files(dir, arch)
		if err != nil {
			return nil, err
		}
		maps.Copy(p.context, programs)
		for _, path := range slices.Sorted(maps.Keys(programs)) {
			// The folder's name contains a key over all inputs of the program's build.
			words = append(words, "program "+path+" "+filepath.Base(dir))
		}
		record, err := component.Read(dir)
		if err != nil {
			return nil, err
		}
		if r.release == spec.Name {
			p.tag = record.Version
		}
	}
	if r.files != nil {
		files, err := r.files(arch)
		if err != nil {
			return nil, err
		}
		maps.Copy(p.context, files)
		for _, path := range slices.Sorted(maps.Keys(files)) {
			sum, err := files[path].sum()
			if err != nil {
				return nil, err
			}
			words = append(words, "file "+path+" "+sum)
		}
	}

	h := sha256.New()
	for _, word := range words {
		fmt.Fprintf(h, "%d %s\n", len(word), word)
	}
	p.key = hex.EncodeToString(h.Sum(nil))
	if p.tag == "" {
		p.tag = "dev-" + p.key[:12]
	}
	return p, nil
}

// files returns a component's programs by their paths in the build context. Names that begin with a dot are skipped.
func (p part) files(dir, arch string) (map[string]source, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string]source{}
	for _, entry := range entries {
		if entry.Name()[0] == '.' {
			continue // the cache's own record
		}
		if path := p.place(entry.Name(), arch); path != "" {
			files[path] = source{path: filepath.Join(dir, entry.Name())}
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s holds no program: remove the folder to have it built again", dir)
	}
	return files, nil
}

func (s source) sum() (string, error) {
	if s.link != "" {
		return "-> " + s.link, nil
	}
	f, err := os.Open(s.path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// writeContext fills a folder with the build context. Programs are hard links where the file system allows it.
func (p *plan) writeContext(dir string) error {
	for path, s := range p.context {
		to := filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if s.link != "" {
			if err := os.Symlink(s.link, to); err != nil {
				return err
			}
			continue
		}
		if os.Link(s.path, to) == nil {
			continue
		}
		if err := copyFile(s.path, to); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, dockerfileName), []byte(p.dockerfile), 0o644)
}

// dockerfileName is the Dockerfile's name beside the context's files, none of which has this name.
const dockerfileName = "Dockerfile.staged"

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, info.Mode().Perm())
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
