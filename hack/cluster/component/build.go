package component

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Build returns the folder with the component's binaries. It builds them if the cache does not hold them for this key. The folder is
// complete or absent, never partial.
func Build(ctx context.Context, spec Spec) (string, error) {
	dirs, err := BuildAll(ctx, spec)
	if err != nil {
		return "", err
	}
	return dirs[0], nil
}

// BuildAll builds several components, one after the other (each uses all processors), and returns their folders in order.
func BuildAll(ctx context.Context, specs ...Spec) ([]string, error) {
	cache, err := Cache()
	if err != nil {
		return nil, err
	}
	dirs := make([]string, 0, len(specs))
	for i, spec := range specs {
		if err := spec.validate(); err != nil {
			return nil, err
		}
		if spec.Out == nil {
			spec.Out = os.Stderr
		}
		label := spec.Name
		if len(specs) > 1 {
			label = fmt.Sprintf("[%d/%d] %s", i+1, len(specs), spec.Name)
		}
		dir, err := build(ctx, spec, cache, label)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, dir)
	}
	return dirs, nil
}

func build(ctx context.Context, spec Spec, cache, label string) (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", errNoGo
	}
	p := newProgress(spec.Out, label)
	defer p.stop()
	spec, target, err := locate(ctx, spec, cache, p)
	if err != nil {
		return "", err
	}
	if done(target) {
		return target, nil
	}
	unlock, err := lock(ctx, filepath.Join(cache, "bin", ".lock-"+spec.Name), p)
	if err != nil {
		return "", err
	}
	defer unlock()
	if done(target) { // by the process that held the lock
		return target, nil
	}
	scratch := filepath.Join(cache, "bin", ".tmp-"+spec.Name)
	if err := os.RemoveAll(scratch); err != nil { // of a build that was killed: this process holds the lock
		return "", err
	}
	defer os.RemoveAll(scratch)
	if err := compile(ctx, spec, scratch, p); err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(scratch, "bin"), target); err != nil {
		return "", err
	}
	p.say("built in %s: %s", p.elapsed(), target)
	prune(filepath.Dir(target), spec.Name)
	return target, nil
}

// locate determines the version, the key, and the folder in the cache.
func locate(ctx context.Context, spec Spec, cache string, p *progress) (Spec, string, error) {
	env := spec.environment(os.Environ())
	if spec.Version == "" {
		p.doing("reading the version of " + spec.Module)
		out, err := goOutput(ctx, spec, env, "list", "-m", "-f", "{{.Version}}", spec.Module)
		if err != nil {
			return spec, "", err
		}
		spec.Version = strings.TrimSpace(string(out))
	}
	p.doing("reading its sources")
	goVersion, err := goOutput(ctx, spec, env, "env", "GOVERSION", "GOOS", "GOARCH")
	if err != nil {
		return spec, "", err
	}
	files, err := sources(ctx, spec, env)
	if err != nil {
		return spec, "", err
	}
	k, err := key(spec, string(goVersion), spec.ldflags(spec.Version), files)
	if err != nil {
		return spec, "", err
	}
	return spec, filepath.Join(cache, "bin", fmt.Sprintf("%s-%s-%s", spec.Name, spec.Version, k)), nil
}

// compile builds the binaries in scratch/bin.
func compile(ctx context.Context, spec Spec, scratch string, p *progress) error {
	bin := filepath.Join(scratch, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if spec.Prepare != nil {
		source := filepath.Join(scratch, "source")
		p.doing("preparing its sources")
		if err := os.CopyFS(source, os.DirFS(spec.Dir)); err != nil {
			return fmt.Errorf("copying the sources of component %s: %w", spec.Name, err)
		}
		if err := spec.Prepare(ctx, source); err != nil {
			return fmt.Errorf("preparing the sources of component %s: %w", spec.Name, err)
		}
		spec.Dir = source
	}
	flags := []string{"-trimpath", "-buildvcs=false", "-ldflags", spec.ldflags(spec.Version)}
	env := spec.environment(os.Environ())
	p.doing("fetching its modules")
	p.expect(stale(ctx, spec, env, flags, p))
	p.say("building %s from source (%s)", spec.Version, p.expected())
	args := append([]string{"build", "-v"}, flags...)
	args = append(append(args, "-o", bin+string(filepath.Separator)), spec.packages()...)
	if err := goBuild(ctx, spec, env, filepath.Join(scratch, "..", spec.Name+".log"), p, args...); err != nil {
		return err
	}
	for from, to := range spec.Rename {
		if err := os.Rename(filepath.Join(bin, from), filepath.Join(bin, to)); err != nil {
			return fmt.Errorf("component %s: %w", spec.Name, err)
		}
	}
	record, err := json.Marshal(Record{Name: spec.Name, Version: spec.Version, Built: time.Now().UTC()})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(bin, recordFile), record, 0o644)
}
