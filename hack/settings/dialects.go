package main

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/openim"
)

// package of OpenIM with the structs of its configuration.
const configFolder = "pkg/common/config/"

// writeDialects writes a file for each set of keys that supported releases have.
func writeDialects(ctx context.Context, repository, folder string) error {
	type dialect struct {
		releases []string
		files    map[string]map[string]string
	}
	var dialects []dialect
	for _, release := range openim.Releases() {
		sources, err := sourcesOf(ctx, repository, release.Tag)
		if err != nil {
			return err
		}
		files, err := keysOf(sources)
		if err != nil {
			return fmt.Errorf("%s: %w", release.Tag, err)
		}
		i := slices.IndexFunc(dialects, func(d dialect) bool {
			return maps.EqualFunc(d.files, files, maps.Equal[map[string]string])
		})
		if i < 0 {
			dialects, i = append(dialects, dialect{files: files}), len(dialects)
		}
		dialects[i].releases = append(dialects[i].releases, release.Tag)
	}
	for _, d := range dialects {
		var text bytes.Buffer
		fmt.Fprintf(&text, "# Written by hack/settings from %sconfig.go of OpenIM. Do not edit.\nreleases: [%s]\nfiles:\n",
			configFolder, strings.Join(d.releases, ", "))
		for _, file := range slices.Sorted(maps.Keys(d.files)) {
			fmt.Fprintf(&text, "  %s:\n", file)
			for _, key := range slices.Sorted(maps.Keys(d.files[file])) {
				fmt.Fprintf(&text, "    %s: %q\n", key, d.files[file][key])
			}
		}
		if err := os.WriteFile(filepath.Join(folder, d.releases[0]+".yml"), text.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// sourcesOf returns the Go files of the package with the configuration at a tag.
func sourcesOf(ctx context.Context, repository, tag string) (map[string]string, error) {
	git := func(args ...string) (string, error) {
		command := exec.CommandContext(ctx, "git", append([]string{"-C", repository}, args...)...)
		var failure bytes.Buffer
		command.Stderr = &failure
		out, err := command.Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(failure.String()))
		}
		return string(out), nil
	}
	list, err := git("ls-tree", "--name-only", tag, configFolder)
	if err != nil {
		return nil, err
	}
	sources := map[string]string{}
	for _, name := range strings.Fields(list) {
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			continue
		}
		if sources[name], err = git("show", tag+":"+name); err != nil {
			return nil, err
		}
	}
	return sources, nil
}
