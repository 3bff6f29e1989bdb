package settings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/openim"
)

// Problem says why an override is not accepted.
type Problem struct {
	// Unknown is true when the release has no such key.
	Unknown bool
	// Text says what to do.
	Text string
}

// Check returns why a release does not take a value for a key, nil when it takes it. An accepted value is rendered as it is: it is a whole
// number in decimal digits, true or false, or one of the texts of the table.
func Check(release openim.Release, file openim.File, key, value string) *Problem {
	dialect, ok := DialectOf(release)
	if !ok {
		return &Problem{Unknown: true, Text: fmt.Sprintf("nothing is known of the settings of %s", release.Tag)}
	}
	kind, ok := dialect.Files[file][key]
	if !ok {
		return unknown(release, dialect.Files[file], file)
	}
	row, ok := RowOf(file, key)
	if !ok {
		return &Problem{Text: "it is not known what it does"} // a test excludes it
	}
	switch row.Class {
	case Field:
		return &Problem{Text: fmt.Sprintf("it is set by spec.%s: remove it here", row.Field)}
	case Operator:
		return &Problem{Text: fmt.Sprintf("it is the operator's, because %s: remove it", row.Why)}
	case Dead:
		return &Problem{Text: fmt.Sprintf("no code of OpenIM %s reads it: remove it", release.Tag)}
	case Free:
	}
	return row.Values.check(kind, value)
}

// check returns why a value is not accepted.
func (v Values) check(kind Type, value string) *Problem {
	switch {
	case kind == "bool":
		if value != "true" && value != "false" {
			return &Problem{Text: "write true or false"}
		}
	case kind == "int":
		number, err := strconv.Atoi(value)
		if err != nil || strconv.Itoa(number) != value || number < v.Min || number > v.Max {
			return &Problem{Text: fmt.Sprintf("write a whole number from %d to %d", v.Min, v.Max)}
		}
	case !slices.Contains(v.Texts, value):
		return &Problem{Text: "write one of " + strings.Join(v.Texts, ", ")}
	}
	return nil
}

// unknown names the keys that overrides may set.
func unknown(release openim.Release, keys map[string]Type, file openim.File) *Problem {
	text := fmt.Sprintf("OpenIM %s has no such key: ", release.Tag)
	if free := FreeKeys(keys, file); len(free) > 0 {
		return &Problem{Unknown: true, Text: text + "write one of " + strings.Join(free, ", ")}
	}
	return &Problem{Unknown: true, Text: text + "remove it"}
}

// FreeKeys returns those keys of a file that overrides may set, in alphabetical order.
func FreeKeys(keys map[string]Type, file openim.File) []string {
	var free []string
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if row, ok := RowOf(file, key); ok && row.Class == Free {
			free = append(free, key)
		}
	}
	return free
}
