package component

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// key returns the first 8 hexadecimal digits of a SHA-256 over all that can change the result: go.mod, go.sum,
// the component's own sources, the go version and platform, the linker's flags, Env and Inputs.
func key(spec Spec, goVersion, ldflags string, sources []string) (string, error) {
	sum := sha256.New()
	for _, word := range append(append([]string{goVersion, ldflags}, spec.packages()...), spec.Env...) {
		write(sum, "word", []byte(word))
	}
	for _, from := range sortedKeys(spec.Rename) {
		write(sum, "rename", []byte(from+"="+spec.Rename[from]))
	}
	for _, input := range spec.Inputs {
		write(sum, "input", []byte(input))
	}
	for _, name := range append([]string{"go.mod", "go.sum"}, sources...) {
		content, err := os.ReadFile(filepath.Join(spec.Dir, name))
		if errors.Is(err, os.ErrNotExist) && name == "go.sum" {
			content, err = nil, nil // a module without dependencies has no go.sum
		}
		if err != nil {
			return "", fmt.Errorf("component %s: %w", spec.Name, err)
		}
		write(sum, name, content)
	}
	return hex.EncodeToString(sum.Sum(nil))[:8], nil
}

// write adds a part with its name and length, so that two different lists of parts never hash alike.
func write(sum hash.Hash, name string, content []byte) {
	fmt.Fprintf(sum, "%s %d\n", name, len(content))
	sum.Write(content)
}

// listed is the part of the output of `go list -json` that names a package's files.
type listed struct {
	Dir    string
	Module *struct {
		Main    bool
		Replace *struct{ Path, Dir string }
	}
	GoFiles, SFiles, HFiles, EmbedFiles, OtherFiles []string
}

// sources lists the files, relative to the module, that the packages compile in from the module itself and
// from modules replaced by a local folder. Tests and documents are not among them.
func sources(ctx context.Context, spec Spec, env []string) ([]string, error) {
	if spec.onlyTools() {
		return nil, nil
	}
	args := []string{"list", "-deps", "-json=Dir,Module,GoFiles,SFiles,HFiles,EmbedFiles,OtherFiles"}
	out, err := goOutput(ctx, spec, env, append(args, spec.packages()...)...)
	if err != nil {
		return nil, err
	}
	return ownFiles(spec.Dir, bytes.NewReader(out))
}

func ownFiles(dir string, list io.Reader) ([]string, error) {
	root, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	var files []string
	for decoder := json.NewDecoder(list); ; {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("decoding the output of go list: %w", err)
		}
		local := p.Module != nil && (p.Module.Main ||
			p.Module.Replace != nil && strings.HasPrefix(p.Module.Replace.Path, "."))
		if !local {
			continue
		}
		for _, group := range [][]string{p.GoFiles, p.SFiles, p.HFiles, p.EmbedFiles, p.OtherFiles} {
			for _, name := range group {
				relative, err := filepath.Rel(root, filepath.Join(p.Dir, name))
				if err != nil {
					return nil, err
				}
				files = append(files, relative)
			}
		}
	}
	sort.Strings(files)
	return files, nil
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
