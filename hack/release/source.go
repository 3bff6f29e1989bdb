package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/hack/render"
)

// source is the commit that a release is built from.
type source struct {
	// commit is its SHA-1 in hexadecimal digits, time when it was committed, in RFC 3339.
	commit, time string
	// dirty is true when files differ from the commit.
	dirty bool
}

// sourceOf reads the commit of the tree.
func sourceOf(ctx context.Context, root string) (source, error) {
	line, err := output(ctx, root, "git", "log", "-1", "--format=%H %ct")
	if err != nil {
		return source{}, fmt.Errorf("reading the commit: %w: a release is built in a clone of the repository", err)
	}
	changes, err := output(ctx, root, "git", "status", "--porcelain")
	if err != nil {
		return source{}, fmt.Errorf("comparing the files with the commit: %w", err)
	}
	commit, seconds, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
	committed, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return source{}, fmt.Errorf("reading the commit's time: %w", err)
	}
	return source{commit: commit, time: time.Unix(committed, 0).UTC().Format(time.RFC3339), dirty: len(changes) > 0}, nil
}

// versions matches the versions of releases.
var versions = regexp.MustCompile(`^v\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$`)

// checkVersion refuses a version that the tree does not name everywhere: what is installed would name images of another release.
func checkVersion(root, version string) error {
	if !versions.MatchString(version) {
		return fmt.Errorf("invalid version %q: write --version v0.1.0", version)
	}
	var chart struct{ Version, AppVersion string }
	var kustomization struct {
		Images []struct{ Name, NewTag string }
	}
	var npm struct{ Version string }
	number := strings.TrimPrefix(version, "v")
	for _, file := range []struct {
		name string
		read func(content []byte) error
		// names returns each version that the file names, and the one that it should name.
		names func() map[string]string
	}{
		{chartFolder + "/Chart.yaml", func(c []byte) error { return yaml.Unmarshal(c, &chart) }, func() map[string]string {
			return map[string]string{"version: " + chart.Version: "version: " + number, "appVersion: " + chart.AppVersion: "appVersion: " + version}
		}},
		{"config/manager/kustomization.yaml", func(c []byte) error { return yaml.Unmarshal(c, &kustomization) }, func() map[string]string {
			found := map[string]string{}
			for _, i := range kustomization.Images {
				found[i.Name+" newTag: "+i.NewTag] = i.Name + " newTag: " + version
			}
			return found
		}},
		{"clients/web/package.json", func(c []byte) error { return json.Unmarshal(c, &npm) }, func() map[string]string {
			return map[string]string{"version: " + npm.Version: "version: " + number}
		}},
	} {
		content, err := os.ReadFile(filepath.Join(root, file.name))
		if err != nil {
			return err
		}
		if err := file.read(content); err != nil {
			return fmt.Errorf("%s: %w", file.name, err)
		}
		found := file.names()
		if len(found) == 0 {
			return fmt.Errorf("%s names no version: it should name %s", file.name, version)
		}
		for is, wants := range found {
			if is != wants {
				return fmt.Errorf("%s has %q: a release %s needs %q: write that and commit it", file.name, is, version, wants)
			}
		}
	}
	return nil
}

// chartFolder is the folder of the Helm chart.
const chartFolder = "charts/openim-operator"

// imageNames are the images of a release, by their names in install.yaml.
var imageNames = []string{render.OperatorImage, render.WrapperImage, render.SupervisorImage}
