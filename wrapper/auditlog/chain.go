package auditlog

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// A line of the trail is
//
//	{"audit":1,"chain":"<32 hex>","seq":<n>,"prev":"<64 hex>",<the event>,"hash":"<64 hex>"}
//
// hash is the SHA-256 of the line's own bytes before `,"hash"`, in which prev, the hash of the line before, is included.
// The bytes are those that were written: nothing need be decoded and encoded again to check them.
const (
	linePrefix = `{"audit":1,`
	hashMember = `,"hash":"`
	lineSuffix = `"}`
	hashHex    = 2 * sha256.Size
	tailBytes  = len(hashMember) + hashHex + len(lineSuffix)
	chainBytes = 16
)

// noHash is prev of a chain that follows nothing.
var noHash = strings.Repeat("0", hashHex)

// chain is the writing end of one chain.
type chain struct {
	id   string
	next uint64 // sequence number of the next line
	head string // hash of the last line
}

func newChain(previous string) *chain {
	var id [chainBytes]byte
	_, _ = rand.Read(id[:]) // never fails: the runtime ends the program when the system has no randomness
	if previous == "" {
		previous = noHash
	}
	return &chain{id: hex.EncodeToString(id[:]), head: previous}
}

// append writes one event's line after buf.
func (c *chain) append(buf, event []byte) []byte {
	start := len(buf)
	buf = append(buf, linePrefix+`"chain":"`...)
	buf = append(buf, c.id...)
	buf = append(buf, `","seq":`...)
	buf = strconv.AppendUint(buf, c.next, 10)
	buf = append(buf, `,"prev":"`...)
	buf = append(buf, c.head...)
	buf = append(buf, `",`...)
	buf = append(buf, event...)
	sum := sha256.Sum256(buf[start:])
	c.head = hex.EncodeToString(sum[:])
	c.next++
	buf = append(buf, hashMember...)
	buf = append(buf, c.head...)
	return append(buf, lineSuffix+"\n"...)
}

// line is one event as it was read.
type line struct {
	Chain string `json:"chain"`
	Seq   uint64 `json:"seq"`
	Prev  string `json:"prev"`
	Hash  string `json:"hash"`
	Audit int    `json:"audit"`
	form

	changed bool // its bytes do not give its hash
}

var (
	errNoEvent = errors.New("no event")
	errTorn    = errors.New("the line is not whole")
	errChanged = errors.New("the line was changed: it is no event any more")
)

// readLine finds an event in a line of a log, behind whatever a container runtime has written before it.
func readLine(text []byte) (*line, error) {
	at := bytes.Index(text, []byte(linePrefix))
	if at < 0 {
		return nil, errNoEvent
	}
	text = bytes.TrimRight(text[at:], "\r\n")
	cut := len(text) - tailBytes
	if cut <= 0 || !bytes.HasPrefix(text[cut:], []byte(hashMember)) || !bytes.HasSuffix(text, []byte(lineSuffix)) {
		return nil, errTorn
	}
	var l line
	if json.Unmarshal(text, &l) != nil || !isHex(l.Chain, 2*chainBytes) || !isHex(l.Prev, hashHex) || !isHex(l.Hash, hashHex) {
		return nil, errChanged
	}
	sum := sha256.Sum256(text[:cut])
	l.changed = hex.EncodeToString(sum[:]) != l.Hash
	return &l, nil
}

func isHex(s string, length int) bool {
	if len(s) != length {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
