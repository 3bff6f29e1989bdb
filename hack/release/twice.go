package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// twice builds the commit in two clones: at paths of different lengths, in different time zones and languages, with different permissions
// for new files and other settings of Go. Both builds use the machine's Go, buildah and module cache. With RELEASE_COLD=1 the second
// compiles everything anew, in a build cache of its own.
func twice(ctx context.Context, root, version, folder string, out io.Writer) error {
	if folder == "" {
		folder = filepath.Join(root, "dist", "release-twice")
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	commit, err := output(ctx, root, "git", "rev-parse", "HEAD")
	if err != nil {
		return fmt.Errorf("reading the commit: %w", err)
	}
	second := []string{"TZ=Asia/Tokyo", "LC_ALL=POSIX", "GOFLAGS=-buildvcs=false -trimpath -v", "SOURCE_DATE_EPOCH=1"}
	if os.Getenv("RELEASE_COLD") == "1" {
		second = append(second, "GOCACHE="+filepath.Join(folder, "go-build"))
	}
	var releases []string
	for _, place := range []struct {
		clone, umask string
		env          []string
	}{
		{"a", "0022", []string{"TZ=UTC"}}, {"in/another/place", "0077", second},
	} {
		clone := filepath.Join(folder, place.clone)
		_, _ = fmt.Fprintf(out, "release: cloning to %s and building there\n", clone)
		if err := os.MkdirAll(filepath.Dir(clone), 0o755); err != nil {
			return err
		}
		if _, err := output(ctx, root, "git", "clone", "--quiet", "--shared", root, clone); err != nil {
			return err
		}
		if _, err := output(ctx, clone, "git", "checkout", "--quiet", "--detach", string(commit[:len(commit)-1])); err != nil {
			return err
		}
		files := filepath.Join(folder, filepath.Base(clone)+"-"+version)
		script := "umask " + place.umask + " && exec go run ./hack/release build --version \"$1\" --out \"$2\""
		cmd := exec.CommandContext(ctx, "sh", "-c", script, "sh", version, files)
		cmd.Dir, cmd.Env = clone, append(os.Environ(), place.env...)
		cmd.Stdout, cmd.Stderr = out, out
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("building in %s: %w", clone, err)
		}
		releases = append(releases, files)
	}
	if err := same(releases[0], releases[1]); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(out, "release: both builds have the same bytes: %s\n", filepath.Join(releases[0], sumsFile))
	return nil
}

// same compares two folders file by file.
func same(a, b string) error {
	first, err := sumsOf(a)
	if err != nil {
		return err
	}
	second, err := sumsOf(b)
	if err != nil {
		return err
	}
	digests := map[string]string{}
	for _, sum := range second {
		digests[sum.name] = sum.digest
	}
	var failures []error
	for _, sum := range first {
		other, ok := digests[sum.name]
		delete(digests, sum.name)
		switch {
		case !ok:
			failures = append(failures, fmt.Errorf("%s is in %s alone", sum.name, a))
		case other != sum.digest:
			failures = append(failures, fmt.Errorf("%s differs between %s and %s", sum.name, a, b))
		}
	}
	for name := range digests {
		failures = append(failures, fmt.Errorf("%s is in %s alone", name, b))
	}
	return errors.Join(failures...)
}
