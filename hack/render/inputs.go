package render

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Inputs is a hash over all files that the two ways in are made of. A test which renders should ask for it first: Go keeps the
// result of a test as long as the files that the test itself has read are the same, and does not see what kustomize and Helm read.
func Inputs(root string) (string, error) {
	sum := sha256.New()
	for _, dir := range []string{"config", "charts", "hack/tools/kustomize", "hack/tools/helm"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(sum, "%s %d\n%s", file, len(content), content)
			return err
		})
		if err != nil {
			return "", fmt.Errorf("read what is rendered: %w", err)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
