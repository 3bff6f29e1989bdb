package settings

import (
	"embed"
	"fmt"
	"path"
	"slices"

	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/openim"
)

//go:embed dialects/*.yml
var dialectFiles embed.FS

// Type is the type of a key's value in Go, for example string, int or []string.
type Type string

// Dialect holds the keys that some releases of OpenIM read.
type Dialect struct {
	Releases []string `json:"releases"`
	// Files hold the keys of each file with their types. A key is a path with dots, for example tls.enableTLS.
	Files map[openim.File]map[string]Type `json:"files"`
}

var dialects = mustRead()

func mustRead() []Dialect {
	var all []Dialect
	entries, err := dialectFiles.ReadDir("dialects")
	if err != nil {
		panic(err) // the files are part of the program
	}
	for _, entry := range entries {
		text, err := dialectFiles.ReadFile(path.Join("dialects", entry.Name()))
		if err != nil {
			panic(err)
		}
		var d Dialect
		if err := yaml.UnmarshalStrict(text, &d); err != nil {
			panic(fmt.Sprintf("dialects/%s: %v", entry.Name(), err))
		}
		all = append(all, d)
	}
	return all
}

// Dialects returns all dialects.
func Dialects() []Dialect { return slices.Clone(dialects) }

// DialectOf returns the dialect of a supported release.
func DialectOf(release openim.Release) (Dialect, bool) {
	i := slices.IndexFunc(dialects, func(d Dialect) bool { return slices.Contains(d.Releases, release.Tag) })
	if i < 0 {
		return Dialect{}, false
	}
	return dialects[i], true
}
