package upstream

import (
	"fmt"
	"net/http"
	"strconv"

	"golang.org/x/net/http/httpguts"
)

// request is one request and the header that the client adds to the caller's.
type request struct {
	method, path string
	header       http.Header
	added        http.Header // replaces what header has under the same name; nil until the client adds something
	body         []byte
	head         []byte // what precedes the body, for one connection
}

// add returns the header that the client adds.
func (r *request) add() http.Header {
	if r.added == nil {
		r.added = make(http.Header, 2)
	}
	return r.added
}

// framing are the headers that belong to the connection. The client writes them, never the caller. In canonical form.
var framing = map[string]bool{
	"Connection": true, "Content-Length": true, "Expect": true, "Host": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "User-Agent": true,
}

// valid reports whether the request line can be written as it is. The path is not escaped: the assertion covers its bytes.
func (r *request) valid() bool {
	if r.method != http.MethodGet && r.method != http.MethodPost && r.method != http.MethodPut && r.method != http.MethodDelete {
		return false
	}
	if r.path == "" || r.path[0] != '/' {
		return false
	}
	for i := range len(r.path) {
		if b := r.path[i]; b <= ' ' || b >= 0x7f || b == '#' {
			return false
		}
	}
	return true
}

// prepare signs the request for a connection and encodes its head.
func (r *request) prepare(conn *connection, host string, sign Signer) error {
	if sign != nil {
		if err := sign(r.add(), conn.peer.get()); err != nil {
			return fmt.Errorf("%w: %w", ErrNotSent, err)
		}
	}
	head, ok := r.appendHead(conn.out[:0], host)
	if !ok {
		return ErrNotSent
	}
	r.head = head
	return nil
}

// appendHead appends the request line and the header. ok is false if a name or value of the header cannot be written.
func (r *request) appendHead(b []byte, host string) (head []byte, ok bool) {
	b = append(b, r.method...)
	b = append(b, ' ')
	b = append(b, r.path...)
	b = append(b, " HTTP/1.1\r\nHost: "...)
	b = append(b, host...)
	b = append(b, "\r\nUser-Agent: "+userAgent+"\r\n"...)
	if len(r.body) > 0 || r.method == http.MethodPost || r.method == http.MethodPut {
		b = append(b, "Content-Length: "...)
		b = strconv.AppendInt(b, int64(len(r.body)), 10)
		b = append(b, '\r', '\n')
	}
	if b, ok = appendLines(b, r.header, r.added); !ok {
		return b, false
	}
	if b, ok = appendLines(b, r.added, nil); !ok {
		return b, false
	}
	return append(b, '\r', '\n'), true
}

// appendLines appends the lines of a header, without the names that instead has. It refuses what would be another line for the reader.
func appendLines(b []byte, header, instead http.Header) (lines []byte, ok bool) {
	for name, values := range header {
		if len(instead) > 0 && instead[name] != nil {
			continue
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return b, false
		}
		if framing[http.CanonicalHeaderKey(name)] {
			continue
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return b, false
			}
			b = append(b, name...)
			b = append(b, ':', ' ')
			b = append(b, value...)
			b = append(b, '\r', '\n')
		}
	}
	return b, true
}
