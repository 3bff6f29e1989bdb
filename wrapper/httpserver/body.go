package httpserver

import (
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
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, limit))
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
