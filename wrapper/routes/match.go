package routes

import (
	"slices"
	"strings"
)

// Table is all routes, in the order of the documentation.
var Table = slices.Concat(userRoutes, friendRoutes, groupRoutes, messageRoutes, conversationRoutes, objectRoutes, operationRoutes)

var byPath = func() map[string]*Route {
	index := make(map[string]*Route, len(Table))
	for i := range Table {
		if Table[i].Path != objectRoute.Path { // a pattern: FindObject
			index[Table[i].Path] = &Table[i]
		}
	}
	return index
}()

// Find returns the row of a path, nil when there is none. The path is taken as it stood in the request line and
// compared byte for byte: nothing is decoded, cleaned or folded, so that `//`, `%2f`, `..`, `;`, another case or a
// trailing slash is another path, and another path is no path.
func Find(path string) *Route { return byPath[path] }

// FindRequest cuts a prefix off a request target and looks the rest up. A target with a query, a fragment, or in
// absolute form finds nothing: no route of the table takes any.
func FindRequest(target, prefix string) *Route {
	path, ok := strings.CutPrefix(target, prefix)
	if !ok {
		return nil
	}
	return Find(path)
}
