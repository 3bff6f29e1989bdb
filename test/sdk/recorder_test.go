package sdk

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// recorder is a proxy that records OpenIM's routes and socket requests that the SDK uses.
type recorder struct {
	api, socket *httptest.Server

	mu    sync.Mutex
	calls map[string]bool
}

// requests of the socket, by the SDK's own names (pkg/constant/constant.go).
var requests = map[int]string{
	1001: "GetNewestSeq", 1002: "PullMsgByRange", 1003: "SendMsg", 1004: "SendSignalMsg", 1005: "PullMsgBySeqList", 1006: "GetConvMaxReadSeq",
	1007: "PullConvLastMessage", 2003: "LogoutMsg", 2004: "SetBackgroundStatus", 2005: "WsSubUserOnlineStatus",
}

func newRecorder(api, socket string) (*recorder, error) {
	r := &recorder{calls: map[string]bool{}}
	target, err := url.Parse(api)
	if err != nil {
		return nil, err
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(target) }}
	r.api = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		r.note(request.Method + " " + request.URL.Path)
		proxy.ServeHTTP(w, request)
	}))
	r.socket = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) { r.relay(w, request, socket) }))
	return r, nil
}

func (r *recorder) close() {
	if r != nil {
		r.api.CloseClientConnections()
		r.socket.CloseClientConnections()
	}
}

func (r *recorder) note(call string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[call] = true
}

// relay forwards a socket, or the answer to a refused one.
func (r *recorder) relay(w http.ResponseWriter, request *http.Request, to string) {
	query := request.URL.Query()
	r.note("WS ?" + strings.Join(slices.Sorted(maps.Keys(query)), "&"))
	server, refusal, err := websocket.DefaultDialer.Dial(to+"/?"+request.URL.RawQuery, nil)
	if err != nil {
		if refusal != nil {
			w.WriteHeader(refusal.StatusCode)
			_, _ = io.Copy(w, refusal.Body)
		} else {
			w.WriteHeader(http.StatusBadGateway)
		}
		return
	}
	defer func() { _ = server.Close() }()
	client, err := (&websocket.Upgrader{}).Upgrade(w, request, nil)
	if err != nil {
		return
	}
	defer func() { _ = client.Close() }()
	pings(client, server)
	pings(server, client)
	go func() {
		defer func() { _ = client.Close() }()
		for {
			kind, data, err := server.ReadMessage()
			if err != nil || client.WriteMessage(kind, data) != nil {
				return
			}
		}
	}()
	for {
		kind, data, err := client.ReadMessage()
		if err != nil {
			return
		}
		r.note(identifier(data))
		if server.WriteMessage(kind, data) != nil {
			return
		}
	}
}

// pings forwards pings, which OpenIM counts as heartbeats.
func pings(from, to *websocket.Conn) {
	pass := func(kind int) func(string) error {
		return func(data string) error { return to.WriteControl(kind, []byte(data), time.Now().Add(soon)) }
	}
	from.SetPingHandler(pass(websocket.PingMessage))
	from.SetPongHandler(pass(websocket.PongMessage))
}

// identifier of a frame: gob in gzip, as the Go SDK writes it.
func identifier(frame []byte) string {
	plain, err := gzip.NewReader(bytes.NewReader(frame))
	if err != nil {
		return "WS a frame that is not compressed"
	}
	var request struct{ ReqIdentifier int }
	if err := gob.NewDecoder(plain).Decode(&request); err != nil {
		return "WS a frame that is not gob"
	}
	return fmt.Sprintf("WS %d %s", request.ReqIdentifier, requests[request.ReqIdentifier])
}
