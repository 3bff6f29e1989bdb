package auth

import (
	"strconv"
	"strings"
)

// Link is a range of versions of the connection between gateway and backend. The first byte of an assertion is the version of its call.
// The signature covers it, so that nobody between the two can lower it. A body may have a new field only from the version on that adds it.
type Link struct{ Min, Max uint8 }

// PresentLink is the range that this release speaks: the version of the release before, and its own. Both are the same until something
// changes.
var PresentLink = Link{Min: 3, Max: 3}

// maxLinkText is the longest text of a Link.
const maxLinkText = len("255-255")

// String returns the range as in wire.HeaderLink, for example "3-4".
func (l Link) String() string { return strconv.Itoa(int(l.Min)) + "-" + strconv.Itoa(int(l.Max)) }

// ParseLink parses the text of a Link.
func ParseLink(text string) (Link, bool) {
	low, high, ok := strings.Cut(text, "-")
	if !ok || len(text) > maxLinkText {
		return Link{}, false
	}
	least, err := strconv.ParseUint(low, 10, 8)
	if err != nil {
		return Link{}, false
	}
	most, err := strconv.ParseUint(high, 10, 8)
	if err != nil || most < least || least == 0 {
		return Link{}, false
	}
	return Link{Min: uint8(least), Max: uint8(most)}, true
}

// Common returns the highest version that both ranges hold.
func (l Link) Common(other Link) (version uint8, ok bool) {
	version = min(l.Max, other.Max)
	return version, version >= l.Min && version >= other.Min
}

func (l Link) holds(version uint8) bool { return version >= l.Min && version <= l.Max }
