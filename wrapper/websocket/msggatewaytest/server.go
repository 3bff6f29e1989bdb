package msggatewaytest

import (
	"bytes"
	"compress/gzip"
	"encoding/gob"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// Constants of OpenIM's.
const (
	maxMessageSize = 51200
	writeWait      = 10 * time.Second
)

// Req is a client's request, with the names that OpenIM's encoding/gob uses.
type Req struct {
	ReqIdentifier int32  `json:"reqIdentifier"`
	Token         string `json:"token"`
	SendID        string `json:"sendID"`
	OperationID   string `json:"operationID"`
	MsgIncr       string `json:"msgIncr"`
	Data          []byte `json:"data"`
}

// Resp is a frame to a client.
type Resp struct {
	ReqIdentifier int32  `json:"reqIdentifier"`
	MsgIncr       string `json:"msgIncr"`
	OperationID   string `json:"operationID"`
	ErrCode       int    `json:"errCode"`
	ErrMsg        string `json:"errMsg"`
	Data          []byte `json:"data"`
}

// Server is a msggateway.
type Server struct {
	// PongWait is how long a client may be silent: 30 s in OpenIM.
	PongWait time.Duration
	// SpareSameToken keeps older sockets with the same token open, as releases from v3.8.3-patch.8 on do.
	SpareSameToken bool
	// Answer returns the reply to a request. Nil: an empty success.
	Answer func(Req) Resp
	// Check refuses a connection with an errCode; 0 accepts it.
	Check func(url.Values) (code int, text string)

	http *httptest.Server

	// opening is locked from the upgrade to the registration, so that a socket is registered before the next one is opened.
	opening sync.Mutex

	mu       sync.Mutex
	conns    map[*conn]struct{}
	got      []Req
	queries  []url.Values
	frozen   bool
	pings    int
	received *sync.Cond
}

type conn struct {
	server *Server
	ws     *websocket.Conn
	write  sync.Mutex
	query  url.Values
}

// New starts a msggateway, which stops at the end of the test.
func New(t testing.TB) *Server {
	t.Helper()
	s := &Server{PongWait: 30 * time.Second, conns: map[*conn]struct{}{}}
	s.received = sync.NewCond(&s.mu)
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	t.Cleanup(func() {
		s.CloseAll()
		s.http.Close()
	})
	return s
}

// URL returns ws://host:port.
func (s *Server) URL() string { return "ws" + strings.TrimPrefix(s.http.URL, "http") }

// Stop closes the listener and all connections.
func (s *Server) Stop() {
	s.http.Listener.Close()
	s.CloseAll()
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	code, text := essential(q)
	if code == 0 && s.Check != nil {
		code, text = s.Check(q)
	}
	if code != 0 {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		body, err := json.Marshal(struct {
			ErrCode int    `json:"errCode"`
			ErrMsg  string `json:"errMsg"`
			ErrDlt  string `json:"errDlt"`
		}{code, text, strings.Repeat("goroutine 1 [running] "+q.Get("token"), 100)})
		if err == nil {
			_, _ = w.Write(body)
		}
		return
	}
	s.mu.Lock()
	s.queries = append(s.queries, q)
	s.mu.Unlock()
	up := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	s.opening.Lock()
	defer s.opening.Unlock()
	ws, err := up.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	c := &conn{server: s, ws: ws, query: q}
	s.register(c)
	go c.read()
}

// essential is OpenIM's ParseEssentialArgs, as strict as in the strictest release (v3.8.3-patch.14).
func essential(q url.Values) (int, string) {
	for _, name := range []string{"token", "sendID", "platformID", "operationID", "isBackground"} {
		if q.Get(name) == "" {
			return 1602, name + " is empty"
		}
	}
	if _, err := strconv.Atoi(q.Get("platformID")); err != nil {
		return 1602, "platformID is not int"
	}
	if _, err := strconv.ParseBool(q.Get("isBackground")); err != nil {
		return 1602, "isBackground is not bool"
	}
	if sdk := q.Get("sdkType"); sdk != "" && sdk != "go" && sdk != "js" {
		return 1602, "sdkType is not go or js"
	}
	return 0, ""
}

// register kicks the older sockets of the same user and platform (multiLogin.policy 1).
func (s *Server) register(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for old := range s.conns {
		if old.query.Get("sendID") != c.query.Get("sendID") || old.query.Get("platformID") != c.query.Get("platformID") ||
			s.SpareSameToken && old.query.Get("token") == c.query.Get("token") {
			continue
		}
		delete(s.conns, old)
		go old.kick()
	}
	s.conns[c] = struct{}{}
	s.received.Broadcast()
}

func (c *conn) kick() {
	_ = c.send(Resp{ReqIdentifier: 2002})
	_ = c.ws.Close()
}

func (c *conn) read() {
	s := c.server
	defer func() {
		s.mu.Lock()
		delete(s.conns, c)
		s.received.Broadcast()
		s.mu.Unlock()
		_ = c.ws.Close()
	}()
	c.ws.SetReadLimit(maxMessageSize)
	extend := func() { _ = c.ws.SetReadDeadline(time.Now().Add(s.PongWait)) }
	extend()
	c.ws.SetPingHandler(func(data string) error {
		extend()
		s.mu.Lock()
		s.pings++
		frozen := s.frozen
		s.mu.Unlock()
		if frozen {
			return nil
		}
		c.write.Lock()
		defer c.write.Unlock()
		_ = c.ws.SetWriteDeadline(time.Now().Add(writeWait))
		return c.ws.WriteMessage(websocket.PongMessage, []byte(data))
	})
	for {
		kind, data, err := c.ws.ReadMessage()
		if err != nil {
			return
		}
		extend()
		if kind == websocket.TextMessage {
			if c.text(data) != nil {
				return
			}
			continue
		}
		var req Req
		if err := c.decode(data, &req); err != nil || req.SendID != c.query.Get("sendID") {
			return
		}
		s.mu.Lock()
		s.got = append(s.got, req)
		frozen := s.frozen
		s.received.Broadcast()
		s.mu.Unlock()
		if frozen {
			continue
		}
		answer := Resp{}
		if s.Answer != nil {
			answer = s.Answer(req)
		}
		answer.ReqIdentifier, answer.MsgIncr, answer.OperationID = req.ReqIdentifier, req.MsgIncr, req.OperationID
		if c.send(answer) != nil || req.ReqIdentifier == 2003 {
			return
		}
	}
}

func (c *conn) text(data []byte) error {
	var m struct {
		Type string          `json:"type"`
		Body json.RawMessage `json:"body"`
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return err
	}
	if m.Type != "ping" {
		return errors.New("not a ping")
	}
	m.Type = "pong"
	out, err := json.Marshal(m)
	if err != nil {
		return err
	}
	c.write.Lock()
	defer c.write.Unlock()
	return c.ws.WriteMessage(websocket.TextMessage, out)
}

func (c *conn) decode(data []byte, req *Req) error {
	if c.query.Get("compression") == "gzip" {
		r, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return err
		}
		if data, err = io.ReadAll(r); err != nil {
			return err
		}
	}
	if c.query.Get("sdkType") == "js" {
		return json.Unmarshal(data, req)
	}
	return gob.NewDecoder(bytes.NewReader(data)).Decode(req)
}

func (c *conn) send(resp Resp) error {
	var out bytes.Buffer
	var err error
	if c.query.Get("sdkType") == "js" {
		var text []byte
		text, err = json.Marshal(resp)
		out.Write(text)
	} else {
		err = gob.NewEncoder(&out).Encode(resp)
	}
	if err != nil {
		return err
	}
	data := out.Bytes()
	if c.query.Get("compression") == "gzip" {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		_, _ = w.Write(data)
		if err := w.Close(); err != nil {
			return err
		}
		data = packed.Bytes()
	}
	c.write.Lock()
	defer c.write.Unlock()
	_ = c.ws.SetWriteDeadline(time.Now().Add(writeWait))
	return c.ws.WriteMessage(websocket.BinaryMessage, data)
}

func (s *Server) of(user string) []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*conn
	for c := range s.conns {
		if user == "" || c.query.Get("sendID") == user {
			out = append(out, c)
		}
	}
	return out
}

// Push sends a frame to all sockets of a user, and returns their number.
func (s *Server) Push(user string, resp Resp) int {
	all := s.of(user)
	for _, c := range all {
		_ = c.send(resp)
	}
	return len(all)
}

// Kick closes a user's sockets after OpenIM's kick frame.
func (s *Server) Kick(user string) {
	for _, c := range s.of(user) {
		c.kick()
	}
}

// CloseAll closes all connections without a close frame, as a killed process does.
func (s *Server) CloseAll() {
	for _, c := range s.of("") {
		_ = c.ws.Close()
	}
}

// Freeze makes the server read frames and pings without replying.
func (s *Server) Freeze() { s.freeze(true) }

// Thaw ends Freeze.
func (s *Server) Thaw() { s.freeze(false) }

func (s *Server) freeze(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frozen = on
}

// Received returns the requests so far, in order.
func (s *Server) Received() []Req {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Req(nil), s.got...)
}

// Queries returns the parameters of the accepted connections.
func (s *Server) Queries() []url.Values {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]url.Values(nil), s.queries...)
}

// Connections returns the number of open sockets.
func (s *Server) Connections() int { return len(s.of("")) }

// Pings returns the number of pings received.
func (s *Server) Pings() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pings
}
