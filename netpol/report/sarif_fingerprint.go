package report

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// fingerprints count the findings that have the same fingerprint.
type fingerprints map[string]int

// of returns the fingerprint of a finding, such as "1f8ac10f23c5b5bc:1". It is made of the finding's kind, its stack and its object, and of
// nothing that changes while the fault stays: no file, line, text, version or severity. Two findings about one object are numbered.
func (p fingerprints) of(stack audit.Stack, f audit.Finding) string {
	group, _, found := strings.Cut(f.Object.APIVersion, "/")
	if !found {
		group = "" // v1
	}
	hash := sha256.New()
	for _, part := range []string{f.Kind, stack.Namespace, stack.Name, group, f.Object.Kind, f.Object.Namespace, f.Object.Name} {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	sum := hex.EncodeToString(hash.Sum(nil)[:8])
	p[sum]++
	return fmt.Sprintf("%s:%d", sum, p[sum])
}

// sarifArtifactOf returns a file of the manifests. A relative path is relative to the root of the repository, in which the audit ran.
func sarifArtifactOf(file string) sarifArtifact {
	file = path.Clean(file)
	if path.IsAbs(file) {
		return sarifArtifact{URI: (&url.URL{Scheme: "file", Path: file}).String()}
	}
	segments := strings.Split(file, "/")
	for i := range segments {
		segments[i] = url.PathEscape(segments[i]) // a colon in the first segment would be a scheme
	}
	return sarifArtifact{URI: strings.ReplaceAll(strings.Join(segments, "/"), ":", "%3A"), Base: "%SRCROOT%"}
}
