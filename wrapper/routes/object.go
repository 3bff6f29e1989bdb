package routes

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"path"
	"regexp"
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

func ownName(field, name, user string) error {
	if err := objectName(field, name); err != nil {
		return err
	}
	if !strings.HasPrefix(name, user+"/") {
		return fmt.Errorf("%s must begin with your own user id and a slash", field)
	}
	return nil
}

// OpenIM's upload and form ids contain their meaning unencrypted and unsigned (tools/s3/cont/id.go, rpc/third/s3.go). A forged id could
// make OpenIM sign, copy or delete another object. Therefore only ids are accepted that OpenIM could have issued to the caller.
var (
	hashOf     = regexp.MustCompile(`^[0-9a-f]{32}$`)
	tempKey    = regexp.MustCompile(`^openim/temp/([0-9]{1,4}/){1,8}([0-9a-f]{32})_([0-9]{1,19})_[0-9a-f]{32}\.presigned$`)
	directDate = regexp.MustCompile(`^[0-9]{8}$`)
	directFile = regexp.MustCompile(`^[0-9a-f]{32}(\.[^/]*)?$`)
)

const (
	hashKeys   = "openim/data/hash/"
	directKeys = "openim/direct"

	ticketMultipart = 1
	ticketPresigned = 2
)

// uploadTicket checks an upload id: {"a":type,"b":id,"c":key,"d":size,"e":hash} in base64.
func uploadTicket(field, ticket string) error {
	data, err := base64.StdEncoding.DecodeString(ticket)
	if err != nil {
		return malformed("%s must be an upload id as OpenIM gives it", field)
	}
	members, err := wire.DecodeObject(data)
	if err != nil || !only(members, "a", "b", "c", "d", "e") {
		return malformed("%s must be an upload id as OpenIM gives it", field)
	}
	kind, _ := members["a"].(int64)
	key, _ := members["c"].(string)
	size, _ := members["d"].(int64)
	hash, _ := members["e"].(string)
	good := false
	switch kind {
	case ticketMultipart:
		good = hashOf.MatchString(hash) && key == hashKeys+hash
	case ticketPresigned:
		parts := tempKey.FindStringSubmatch(key)
		good = parts != nil && parts[2] == hash && parts[3] == fmt.Sprint(size)
	}
	if !good {
		return fmt.Errorf("%s must be an upload id as OpenIM gives it", field)
	}
	return nil
}

// formTicket checks a form id: {"name","size","contentType","group","key"} in base64 without padding.
func formTicket(field, ticket, user string) error {
	data, err := base64.RawStdEncoding.DecodeString(ticket)
	if err != nil {
		return malformed("%s must be a form id as OpenIM gives it", field)
	}
	members, err := wire.DecodeObject(data)
	if err != nil || !only(members, "name", "size", "contentType", "group", "key") {
		return malformed("%s must be a form id as OpenIM gives it", field)
	}
	name, _ := members["name"].(string)
	if err := ownName(field+", its name,", name, user); err != nil {
		return err
	}
	key, _ := members["key"].(string)
	rest, ok := strings.CutPrefix(key, directKeys+"/")
	date, rest, ok2 := strings.Cut(rest, "/")
	file, ok3 := strings.CutPrefix(rest, user+"/")
	if !ok || !ok2 || !ok3 || !directDate.MatchString(date) || !directFile.MatchString(file) || path.Clean(key) != key {
		return fmt.Errorf("%s must be a form id that OpenIM gave you", field)
	}
	return nil
}

// only reports whether an object has no members with other names or spellings: OpenIM's decoder ignores case.
func only(object map[string]any, names ...string) bool {
	for key := range object {
		known := false
		for _, n := range names {
			known = known || n == key
		}
		if !known {
			return false
		}
	}
	return true
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
