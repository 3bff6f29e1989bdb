package crossuser

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// witness is a proxy between the wrapper and OpenIM's API that records the calls.
type witness struct {
	*httptest.Server

	mu   sync.Mutex
	seen []sighting
}

// sighting is one call as OpenIM received it.
type sighting struct {
	path, user string
	body       map[string]any
}

func newWitness(t *testing.T, openIM string) *witness {
	t.Helper()
	target, err := url.Parse(openIM)
	if err != nil {
		t.Fatal(err)
	}
	w := &witness{}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(out, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		seen := sighting{path: r.URL.Path, user: userOf(r.Header.Get("token"))}
		_ = json.Unmarshal(body, &seen.body)
		w.mu.Lock()
		w.seen = append(w.seen, seen)
		w.mu.Unlock()
		proxy.ServeHTTP(out, r)
	}))
	t.Cleanup(w.Close)
	return w
}

// userOf returns the user of an OpenIM token without verification, which OpenIM does.
func userOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct{ UserID string }
	if err != nil || json.Unmarshal(payload, &claims) != nil {
		return ""
	}
	return claims.UserID
}

// forget removes all recorded calls.
func (w *witness) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = nil
}

// asked returns the recorded calls of a path in a user's name.
func (w *witness) asked(path, user string) []sighting {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []sighting
	for _, s := range w.seen {
		if s.path == path && s.user == user {
			found = append(found, s)
		}
	}
	return found
}
