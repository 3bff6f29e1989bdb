package upstream_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func serve(t *testing.T, f http.HandlerFunc) *upstream.Client {
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	c := upstream.New(server.URL)
	t.Cleanup(c.Close)
	return c
}

func hijack(t *testing.T, w http.ResponseWriter, say string) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = conn.Write([]byte(say))
	_ = conn.Close()
}

func TestOnlyTheGivenHeadersAreSent(t *testing.T) {
	g := NewWithT(t)
	var seen http.Header
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header.Clone() })
	given := http.Header{"X-Request-Id": {"r-1"}}
	_, err := c.Do(t.Context(), "POST", "/x", given, []byte("{}"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(seen).To(Equal(http.Header{"X-Request-Id": {"r-1"}, "User-Agent": {"openim-wrapper"}, "Content-Length": {"2"}}))
	g.Expect(given).To(HaveLen(1), "the caller's map is unchanged")
}

func TestErrorsOfARequestWithoutReply(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	for _, c := range []struct {
		name   string
		ctx    context.Context
		client *upstream.Client
		want   error
	}{
		{"no listener", t.Context(), upstream.New("http://" + freeport.Address(t)), upstream.ErrNotSent},
		{"closed before the reply", t.Context(), serve(t, func(w http.ResponseWriter, _ *http.Request) { hijack(t, w, "") }),
			upstream.ErrBroken},
		{"closed within the reply", t.Context(), serve(t, func(w http.ResponseWriter, _ *http.Request) {
			hijack(t, w, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
		}), upstream.ErrBroken},
		{"a server of another protocol", t.Context(),
			serve(t, func(w http.ResponseWriter, _ *http.Request) { hijack(t, w, "SSH-2.0-x\r\n") }), upstream.ErrBroken},
		{"headers beyond the bound", t.Context(), serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 2*wire.MaxHeaderBytes))
		}), upstream.ErrBroken},
		{"cancelled while waiting", ctx, serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }),
			upstream.ErrTimeout},
		{"a body beyond the bound", t.Context(), serve(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(make([]byte, wire.MaxReplyBytes+1))
		}), upstream.ErrTooLarge},
		{"an invalid path", t.Context(), serve(t, func(http.ResponseWriter, *http.Request) {}), upstream.ErrNotSent},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			path := "/secret-path"
			if c.name == "an invalid path" {
				path = "/\x7f"
			}
			_, err := c.client.Do(c.ctx, "POST", path, http.Header{"Token": {"secret-token"}}, nil)
			g.Expect(err).To(Equal(c.want), "the error contains no address, path or header")
		})
	}
}

func TestARedirectIsAReplyLikeAnyOther(t *testing.T) {
	g := NewWithT(t)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		g.Expect(r.URL.Path).To(Equal("/x"))
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	})
	reply, err := c.Do(t.Context(), "POST", "/x", http.Header{}, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Status).To(Equal(http.StatusTemporaryRedirect))
}

func TestALargeReplyIsComplete(t *testing.T) {
	g := NewWithT(t)
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, wire.MaxReplyBytes)) })
	reply, err := c.Do(t.Context(), "GET", "/x", http.Header{}, nil)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.Body).To(HaveLen(wire.MaxReplyBytes))
}
