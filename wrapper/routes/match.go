package routes

import (
	"slices"
	"strings"
)

// Table lists all routes, in the order of the documentation.
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

// Find returns the row of a path, nil if there is none. The path is compared byte for byte as in the request line, without decoding or
// cleaning. Therefore `//`, `%2f`, `..`, `;`, another case or a trailing slash make another path, which is not in the table.
func Find(path string) *Route { return byPath[path] }

// FindRequest removes a prefix from a request target and finds the rest. A target with a query, a fragment, or in absolute form finds
// nothing, because no route of the table accepts any.
func FindRequest(target, prefix string) *Route {
	path, ok := strings.CutPrefix(target, prefix)
	if !ok {
		return nil
	}
	return Find(path)
}
