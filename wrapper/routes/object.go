package routes

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// maxObjectNameBytes is OpenIM's own limit.
const maxObjectNameBytes = 1024

// objectName checks that a name cannot be read as another name: no empty, "." or ".." part, no backslash, no control characters.
func objectName(field, name string) error {
	illegal := !utf8.ValidString(name) || strings.IndexFunc(name, forbidden) >= 0 || strings.Contains(name, `\`)
	if name == "" || len(name) > maxObjectNameBytes || illegal {
		return malformed("%s must be an object's name: 1 to %d bytes, no backslash, no control characters", field, maxObjectNameBytes)
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part == "." || part == ".." {
			return malformed("%s must be an object's name without empty, . and .. parts", field)
		}
	}
	return nil
}

// ownName checks that an object's name begins with the user's id.
func ownName(field, name, user string) error {
	if err := objectName(field, name); err != nil {
		return err
	}
	if !strings.HasPrefix(name, user+"/") {
		return fmt.Errorf("%s must begin with your own user id and a slash", field)
	}
	return nil
}

// objectQuery has the parameters by which OpenIM makes a thumbnail of an object, and the maximum of the numeric ones.
var objectQuery = map[string]int{"type": 0, "format": 0, "width": maxPicture, "height": maxPicture}

// maxPicture is the longest side of a thumbnail, in pixels.
const maxPicture = 4096

// legalPicture reports whether a parameter is in objectQuery and within its maximum.
func legalPicture(key, value string) bool {
	largest, known := objectQuery[key]
	if !known || value == "" || len(value) > 16 || !ids.Legal(value) {
		return false
	}
	if largest == 0 {
		return true
	}
	n, err := strconv.Atoi(value)
	return err == nil && n > 0 && n <= largest
}

// FindObject parses a request target below wire.ObjectPrefix: the route, the object's name and the known parameters. The name is
// unescaped once. The route is nil if the target names no object.
func FindObject(target string) (route *Route, name string, query map[string]string) {
	rest, ok := strings.CutPrefix(target, wire.ObjectPrefix)
	if !ok || len(target) > 4*maxObjectNameBytes {
		return nil, "", nil
	}
	escaped, rawQuery, _ := strings.Cut(rest, "?")
	name, err := url.PathUnescape(escaped)
	if err != nil || strings.Contains(escaped, "#") || objectName("name", name) != nil {
		return nil, "", nil
	}
	values, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, "", nil
	}
	query = map[string]string{}
	for key := range objectQuery {
		if v := values.Get(key); legalPicture(key, v) {
			query[key] = v
		}
	}
	return objectRoute, name, query
}
