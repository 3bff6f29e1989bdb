package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	"github.com/coder/websocket"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// stubToken returns a token in OpenIM's format, because the wrapper reads its expiry.
func stubToken(userID string, platform int) string {
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]string{"alg": "HS256", "typ": "JWT"}) + "." +
		part(
			map[string]any{"UserID": userID, "PlatformID": platform, "exp": time.Now().Add(24 * time.Hour).Unix(), "iat": time.Now().Unix()},
		) + ".c3R1Yg"
}

// filler pads the answer of the measured route to 1 KiB.
var filler = strings.Repeat("x", 940)

// serveStub answers like OpenIM, immediately: tokens, and one answer of 1 KiB for all other routes. WebSockets are accepted and read.
func serveStub(address string) error {
	say := func(w http.ResponseWriter, data any) {
		inner, _ := json.Marshal(data)
		text, _ := json.Marshal(wire.Envelope{Data: inner}) // in the order of OpenIM's own members
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(text)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /auth/get_admin_token", func(w http.ResponseWriter, _ *http.Request) {
		say(w, map[string]any{"token": stubToken(adminUser, 10), "expireTimeSeconds": 86400})
	})
	mux.HandleFunc("POST /auth/get_user_token", func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			UserID     string `json:"userID"`
			PlatformID int    `json:"platformID"`
		}
		_ = json.NewDecoder(r.Body).Decode(&asked)
		say(w, map[string]any{"token": stubToken(asked.UserID, asked.PlatformID), "expireTimeSeconds": 86400})
	})
	mux.HandleFunc("POST /auth/parse_token", func(w http.ResponseWriter, _ *http.Request) {
		say(w, map[string]any{"userID": adminUser, "platformID": 10, "expireTimeSeconds": 86400})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			hold(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		say(w, map[string]any{"usersInfo": []any{map[string]string{"userID": "alice", "ex": filler}}})
	})
	return (&http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: time.Minute}).ListenAndServe()
}

// hold keeps a socket open, and answers pings.
func hold(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	ctx := conn.CloseRead(r.Context())
	<-ctx.Done()
}

// serveAuth is the authentication service of nginx and Caddy: it only looks the token up in memory.
func serveAuth(address, token string) error {
	known := map[string]string{token: "alice"}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := known[r.Header.Get("token")]
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("X-User", user)
	})
	return (&http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: time.Minute}).ListenAndServe()
}

// serveBare is a bare httputil.ReverseProxy.
func serveBare(address, upstream string) error {
	target, err := url.Parse("http://" + upstream)
	if err != nil {
		return fmt.Errorf("the stub's address: %w", err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{MaxIdleConnsPerHost: 256},
	}
	return (&http.Server{Addr: address, Handler: proxy, ReadHeaderTimeout: time.Minute}).ListenAndServe()
}
