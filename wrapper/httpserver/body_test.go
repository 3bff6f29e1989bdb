package httpserver

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	. "github.com/onsi/gomega"
)

// TestABodyIsReadToItsEnd covers bodies of which net/http has, or has not, announced the length.
func TestABodyIsReadToItsEnd(t *testing.T) {
	const limit = 40 << 10
	slow := iotest.ErrReader(os.ErrDeadlineExceeded)
	for _, c := range []struct {
		name   string
		length int64
		body   io.Reader
		status int // 0: accepted
	}{
		{"none", 0, strings.NewReader(""), 0},
		{"as announced", 5, strings.NewReader("12345"), 0},
		{"byte by byte", 5, iotest.OneByteReader(strings.NewReader("12345")), 0},
		{"its end together with its last byte", 5, iotest.DataErrReader(strings.NewReader("12345")), 0},
		{"the most that is preallocated", maxPreallocate, strings.NewReader(strings.Repeat("x", maxPreallocate)), 0},
		{"more than is preallocated", maxPreallocate + 1, strings.NewReader(strings.Repeat("x", maxPreallocate+1)), 0},
		{"not announced", -1, strings.NewReader("12345"), 0},
		{"announced beyond the limit", limit + 1, strings.NewReader(""), http.StatusRequestEntityTooLarge},
		{"beyond the limit", -1, strings.NewReader(strings.Repeat("x", limit+1)), http.StatusRequestEntityTooLarge},
		{"shorter than announced", 5, strings.NewReader("1234"), http.StatusBadRequest},
		{"absent, and announced", 5, strings.NewReader(""), http.StatusBadRequest},
		{"longer than announced", 5, strings.NewReader("123456"), http.StatusBadRequest},
		{"broken at its end", 5, io.MultiReader(strings.NewReader("12345"), iotest.ErrReader(io.ErrClosedPipe)), http.StatusBadRequest},
		{"too slow", 5, slow, http.StatusRequestTimeout},
		{"too slow after a part", 5, io.MultiReader(strings.NewReader("123"), slow), http.StatusRequestTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			text := c.body
			if s, ok := text.(*strings.Reader); ok {
				text = strings.NewReader(readAgain(s))
			}
			req := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(text))
			req.ContentLength = c.length
			body, failure := ReadBody(httptest.NewRecorder(), req, limit)
			if c.status == 0 {
				g.Expect(failure).To(BeNil())
				if s, ok := c.body.(*strings.Reader); ok {
					g.Expect(string(body)).To(Equal(readAgain(s)))
				} else {
					g.Expect(string(body)).To(Equal("12345"))
				}
				return
			}
			g.Expect(failure).NotTo(BeNil())
			g.Expect(failure.Status).To(Equal(c.status))
			g.Expect(body).To(BeNil())
		})
	}
}

// readAgain returns the whole text of a reader, and leaves it at its beginning.
func readAgain(s *strings.Reader) string {
	text, _ := io.ReadAll(s)
	_, _ = s.Seek(0, io.SeekStart)
	return string(text)
}
