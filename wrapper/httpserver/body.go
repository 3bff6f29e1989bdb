package httpserver

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// ReadJSON reads a request's body up to a limit in bytes. It requires the content type of JSON, and does not parse the body.
func ReadJSON(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, *wire.Failure) {
	if !isJSON(req.Header) {
		return nil, &wire.WrongMediaType
	}
	return ReadBody(w, req, limit)
}

// ReadBody reads a request's body up to a limit in bytes, with any content type.
func ReadBody(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, *wire.Failure) {
	if req.ContentLength > limit {
		return nil, &wire.BodyTooLarge
	}
	body, err := readAll(w, req, limit)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &wire.BodyTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &wire.BodyTooSlow
	case err != nil:
		f := wire.BadRequest.Because("the body is shorter than its Content-Length: send all of it")
		return nil, &f
	}
	return body, nil
}

var errLength = errors.New("the body is longer than its Content-Length")

// maxPreallocate is the largest announced length for which memory is allocated before the body arrives.
const maxPreallocate = 16 << 10

// readAll reads a body whose announced length, if it has one, is within the limit.
func readAll(w http.ResponseWriter, req *http.Request, limit int64) ([]byte, error) {
	if req.ContentLength < 0 || req.ContentLength > maxPreallocate {
		return io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
	}
	// The last byte is for the end of the body, which net/http reports after the announced length, or before it as an error.
	body := make([]byte, req.ContentLength+1)
	n, err := io.ReadFull(req.Body, body)
	if ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF); ended && int64(n) == req.ContentLength {
		return body[:n], nil
	}
	return nil, cmp.Or(err, errLength)
}

func isJSON(h http.Header) bool {
	if len(h.Values(wire.HeaderContentCoding)) > 0 || len(h.Values(wire.HeaderContentType)) != 1 {
		return false
	}
	if h.Get(wire.HeaderContentType) == wire.MediaTypeJSON {
		return true
	}
	media, params, err := mime.ParseMediaType(h.Get(wire.HeaderContentType))
	if err != nil || media != wire.MediaTypeJSON {
		return false
	}
	for name, value := range params {
		if name != "charset" || !strings.EqualFold(value, "utf-8") {
			return false
		}
	}
	return true
}
