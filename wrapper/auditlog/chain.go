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

// A line of the audit log is
//
//	{"audit":1,"chain":"<32 hex>","seq":<n>,"prev":"<64 hex>",<the event>,"hash":"<64 hex>"}
//
// hash is the SHA-256 of the line's own bytes before `,"hash"`. These bytes include prev, the hash of the preceding line. A reader checks
// the bytes as they were written and need not decode and encode them again.
const (
	linePrefix = `{"audit":1,`
	hashMember = `,"hash":"`
	lineSuffix = `"}`
	hashHex    = 2 * sha256.Size
	tailBytes  = len(hashMember) + hashHex + len(lineSuffix)
	chainBytes = 16
)

// noHash is the prev of a chain without predecessor.
var noHash = strings.Repeat("0", hashHex)

// chain is the state of the chain that is being written.
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

// append appends the line of one event to buf.
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
	record

	changed bool // the hash of its bytes differs from its hash
}

var (
	errNotAnEvent = errors.New("reading the line: not an event")
	errTorn       = errors.New("reading the line: incomplete")
	errChanged    = errors.New("the line was changed: it is not a valid event")
)

// readLine finds an event in a line of a log. A container runtime's prefix may precede the event.
func readLine(text []byte) (*line, error) {
	at := bytes.Index(text, []byte(linePrefix))
	if at < 0 {
		return nil, errNotAnEvent
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
