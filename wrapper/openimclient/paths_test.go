package openimclient

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	. "github.com/onsi/gomega"
)

// A path that is added to the client is added to the list, too: the check asks for each.
func TestAllPathsOfTheClientAreListed(t *testing.T) {
	g := NewWithT(t)
	files, err := filepath.Glob("*.go")
	g.Expect(err).NotTo(HaveOccurred())
	declared := regexp.MustCompile(`(?m)^\s+path[A-Z]\w+\s*= "(/[a-z_/]+)"`)
	var found []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		for _, match := range declared.FindAllStringSubmatch(string(text), -1) {
			found = append(found, match[1])
		}
	}
	g.Expect(found).To(ConsistOf(Paths()))
}
