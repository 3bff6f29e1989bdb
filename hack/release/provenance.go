package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/openimstack/openim-operator/hack/archive"
)

// The file names of what describes the other files.
const (
	provenanceFile = "provenance.intoto.json"
	sumsFile       = "SHA256SUMS"
)

// Types of documents, https://github.com/in-toto/attestation and https://slsa.dev/spec/v1.0/provenance.
const (
	typeStatement = "https://in-toto.io/Statement/v1"
	typePredicate = "https://slsa.dev/provenance/v1"
)

// Where the build and its builder are described. The builder is whoever runs make release on a machine: nothing vouches for it.
const (
	buildType = repository + "/blob/main/docs/releasing.md#how-a-release-is-built"
	builderID = repository + "/blob/main/docs/releasing.md#what-the-provenance-is-worth"
)

// statement is an in-toto statement with a SLSA provenance.
type statement struct {
	Type          string    `json:"_type"`
	Subject       []subject `json:"subject"`
	PredicateType string    `json:"predicateType"`
	Predicate     predicate `json:"predicate"`
}

// subject is a file that the statement is about.
type subject struct {
	Name   string            `json:"name"`
	Digest map[string]string `json:"digest"`
}

// predicate tells from what, by what and how the files were built. It has no times: the same commit gives the same statement.
type predicate struct {
	BuildDefinition struct {
		BuildType            string            `json:"buildType"`
		ExternalParameters   map[string]string `json:"externalParameters"`
		InternalParameters   map[string]string `json:"internalParameters"`
		ResolvedDependencies []dependency      `json:"resolvedDependencies"`
	} `json:"buildDefinition"`
	RunDetails struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
	} `json:"runDetails"`
}

// dependency is what the files were built from.
type dependency struct {
	URI         string            `json:"uri"`
	Digest      map[string]string `json:"digest,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// provenance writes the statement about all files that are there, and then their checksums and its own.
func (r *release) provenance(ctx context.Context) error {
	goVersion, err := output(ctx, r.root, "go", "env", "GOVERSION")
	if err != nil {
		return err
	}
	var s statement
	s.Type, s.PredicateType = typeStatement, typePredicate
	sums, err := sumsOf(r.folder)
	if err != nil {
		return err
	}
	for _, sum := range sums {
		s.Subject = append(s.Subject, subject{Name: sum.name, Digest: map[string]string{"sha256": sum.digest}})
	}
	build := &s.Predicate.BuildDefinition
	build.BuildType = buildType
	build.ExternalParameters = map[string]string{"version": r.version}
	build.InternalParameters = map[string]string{"go": strings.TrimSpace(string(goVersion))}
	commit := dependency{
		URI: "git+" + repository + "@" + r.source.commit, Digest: map[string]string{"gitCommit": r.source.commit},
	}
	if r.source.dirty {
		commit.Annotations = map[string]string{"uncommitted": "files differed from the commit when this was built"}
	}
	build.ResolvedDependencies = append(build.ResolvedDependencies, commit)
	// Every module that is compiled in has its checksum there.
	modules, err := os.ReadFile(filepath.Join(r.root, "go.sum"))
	if err != nil {
		return err
	}
	build.ResolvedDependencies = append(build.ResolvedDependencies, dependency{
		URI: "file:go.sum", Digest: map[string]string{"sha256": archive.Sum(modules)},
	})
	s.Predicate.RunDetails.Builder.ID = builderID
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	if err := r.write(provenanceFile, append(text, '\n')); err != nil {
		return err
	}
	if sums, err = sumsOf(r.folder); err != nil {
		return err
	}
	var lines strings.Builder
	for _, sum := range sums {
		fmt.Fprintf(&lines, "%s  %s\n", sum.digest, sum.name)
	}
	return r.write(sumsFile, []byte(lines.String()))
}

// checksum is the SHA-256 sum of a file in hexadecimal digits.
type checksum struct{ name, digest string }

// sumsOf returns the checksums of all files of a folder but the list of checksums, by name.
func sumsOf(folder string) ([]checksum, error) {
	entries, err := os.ReadDir(folder) // by name
	if err != nil {
		return nil, err
	}
	var sums []checksum
	for _, entry := range entries {
		if entry.Name() == sumsFile {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			return nil, err
		}
		sums = append(sums, checksum{entry.Name(), archive.Sum(content)})
	}
	return sums, nil
}
