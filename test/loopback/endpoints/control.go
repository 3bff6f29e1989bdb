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

// Controller is whoever started a place.
type Controller interface {
	// AdminToken is good for a while.
	AdminToken(ctx context.Context) (string, error)
	// RestartSocketServer ends and starts whatever holds the users' sockets, and returns when it takes new ones.
	RestartSocketServer(ctx context.Context) error
	// LimitSessions has the wrapper's sessions made from now on live no longer than that; 0: as long as ever. It returns when
	// the door takes logins again.
	LimitSessions(ctx context.Context, lifetime time.Duration) error
}

const (
	pathToken   = "/token"
	pathRestart = "/restart"
	pathLimit   = "/sessions"
	// paramLifetime is a duration in Go's words.
	paramLifetime = "lifetime"
	// requestTimeout bounds one request: a restart in a cluster takes its time.
	requestTimeout = 8 * time.Minute
	maxReply       = 64 << 10 // bytes
)

// Serve offers a keeper's services on loopback until ctx ends. The URL holds a word that nobody else knows.
func Serve(ctx context.Context, controller Controller) (url string, err error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("serving a place: %w", err)
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

// AdminToken asks the keeper.
func (p Endpoints) AdminToken(ctx context.Context) (string, error) { return p.post(ctx, pathToken) }

// RestartSocketServer asks the keeper.
func (p Endpoints) RestartSocketServer(ctx context.Context) error {
	_, err := p.post(ctx, pathRestart)
	return err
}

// LimitSessions asks the keeper.
func (p Endpoints) LimitSessions(ctx context.Context, lifetime time.Duration) error {
	_, err := p.post(ctx, pathLimit+"?"+paramLifetime+"="+lifetime.String())
	return err
}

func (p Endpoints) post(ctx context.Context, path string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Control+path, nil)
	if err != nil {
		return "", fmt.Errorf("asking the keeper of the place: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", errors.New("the keeper of the place does not answer " + path) // the URL is not for logs
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
