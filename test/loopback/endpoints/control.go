package endpoints

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Controller controls the stack behind endpoints.
type Controller interface {
	// AdminToken returns an administrator's token, valid for some minutes.
	AdminToken(ctx context.Context) (string, error)
	// RestartSocketServer restarts the processes that hold the users' sockets, and returns when they accept new ones.
	RestartSocketServer(ctx context.Context) error
	// LimitSessions bounds the lifetime of the wrapper's new sessions; 0 restores the first configuration. It returns when the gateway
	// accepts logins again.
	LimitSessions(ctx context.Context, lifetime time.Duration) error
}

const (
	pathToken   = "/token"
	pathRestart = "/restart"
	pathLimit   = "/sessions"
	// paramLifetime is a duration in Go's format.
	paramLifetime = "lifetime"
	// requestTimeout bounds one request: a restart in a cluster takes minutes.
	requestTimeout = 8 * time.Minute
	maxReply       = 64 << 10 // bytes
)

// Serve serves a controller on loopback until ctx ends. The URL holds a random secret.
func Serve(ctx context.Context, controller Controller) (url string, err error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serving the control URL: %w", err)
	}
	secret := "/" + rand.Text()
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+secret+pathToken, func(w http.ResponseWriter, r *http.Request) {
		token, err := controller.AdminToken(r.Context())
		answer(w, token, err)
	})
	mux.HandleFunc("POST "+secret+pathRestart, func(w http.ResponseWriter, r *http.Request) {
		answer(w, "", controller.RestartSocketServer(r.Context()))
	})
	mux.HandleFunc("POST "+secret+pathLimit, func(w http.ResponseWriter, r *http.Request) {
		lifetime, err := time.ParseDuration(r.FormValue(paramLifetime))
		if err == nil {
			err = controller.LimitSessions(r.Context(), lifetime)
		}
		answer(w, "", err)
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(ln) }()
	return "http://" + ln.Addr().String() + secret, nil
}

func answer(w http.ResponseWriter, text string, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = io.WriteString(w, text)
}

// AdminToken calls the controller.
func (p Endpoints) AdminToken(ctx context.Context) (string, error) { return p.post(ctx, pathToken) }

// RestartSocketServer calls the controller.
func (p Endpoints) RestartSocketServer(ctx context.Context) error {
	_, err := p.post(ctx, pathRestart)
	return err
}

// LimitSessions calls the controller.
func (p Endpoints) LimitSessions(ctx context.Context, lifetime time.Duration) error {
	_, err := p.post(ctx, pathLimit+"?"+paramLifetime+"="+lifetime.String())
	return err
}

func (p Endpoints) post(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Control+path, nil)
	if err != nil {
		return "", fmt.Errorf("calling the controller: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", errors.New("calling the controller: no answer to " + path) // the URL is a secret
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return "", fmt.Errorf("reading the answer to %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("%s: %s", path, strings.TrimSpace(string(content)))
	}
	return string(content), nil
}
