package pods

import (
	"maps"
	"slices"
)

// RefusedPaths returns the paths of the table of refused fields.
func RefusedPaths() []string { return slices.Sorted(maps.Keys(refused)) }
