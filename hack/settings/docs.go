package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/hack/docpage"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

// part is what is generated of the page.
var part = docpage.Part{Source: "openim/settings", Command: "go generate ./openim/settings"}

// writeDocs replaces the generated part of a page.
func writeDocs(file string) error {
	free, err := freeTable()
	if err != nil {
		return err
	}
	return part.Rewrite(file, free+otherTable())
}

// freeTable returns the table of the keys that overrides may set.
func freeTable() (string, error) {
	newest := slices.MaxFunc(openim.Releases(), openim.Release.Compare)
	dialect, ok := settings.DialectOf(newest)
	if !ok {
		return "", errors.New("the newest release has no dialect")
	}
	defaults, err := rendered(newest)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	out.WriteString("\n## Keys for overrides\n\n| file | key | default | values | meaning |\n|---|---|---|---|---|\n")
	for _, row := range settings.Table() {
		if row.Class != settings.Free {
			continue
		}
		file := openim.File(row.Files)
		keys := settings.FreeKeys(dialect.Files[file], file)
		i := slices.IndexFunc(keys, func(key string) bool { found, _ := settings.RowOf(file, key); return found.Keys == row.Keys })
		if i < 0 {
			return "", fmt.Errorf("%s has no key %s", file, row.Keys)
		}
		value := fmt.Sprint(at(defaults[file], keys[i]))
		if value == "" {
			value = "OpenIM's"
		}
		fmt.Fprintf(&out, "| `%s` | `%s` | %s | %s | %s |\n", file, row.Keys, value, row.Values.Describe(dialect.Files[file][keys[i]]), row.What)
	}
	return out.String(), nil
}

// rendered returns the configuration files of a stack that chose nothing.
func rendered(release openim.Release) (map[openim.File]map[string]any, error) {
	all := map[openim.File]map[string]any{}
	for _, p := range openim.Processes() {
		files, err := openim.Render(p, openim.Settings{Release: release})
		if err != nil {
			return nil, err
		}
		for name, text := range files {
			var content map[string]any
			if err := yaml.Unmarshal([]byte(text), &content); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			all[openim.File(name)] = content
		}
	}
	return all, nil
}

// at returns the value at a path with dots.
func at(content map[string]any, key string) any {
	var value any = content
	for step := range strings.SplitSeq(key, ".") {
		inner, ok := value.(map[string]any)
		if !ok {
			return nil
		}
		value = inner[step]
	}
	return value
}

// otherTable returns the table of all other keys, by rows of the table of classes.
func otherTable() string {
	var out strings.Builder
	out.WriteString("\n## All other keys\n\n| file | key | set by |\n|---|---|---|\n")
	for _, row := range settings.Table() {
		if row.Class == settings.Free {
			continue
		}
		by := row.SetBy()
		if row.Class == settings.Field {
			by = "`" + by + "`"
		}
		fmt.Fprintf(&out, "| `%s` | `%s` | %s |\n", row.Files, row.Keys, by)
	}
	return out.String()
}
