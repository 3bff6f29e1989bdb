package websocket

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Failures of a request that does not become a WebSocket.
var (
	noUpgrade   = wire.BadRequest.Because("this path is a WebSocket: send an upgrade request of HTTP/1.1")
	badOrigin   = wire.Forbidden.Because("pages of this origin may not open a socket: add the origin to the stack's list")
	badParams   = wire.Failure{Name: "bad_connect", Status: http.StatusOK, ErrCode: wire.CodeArgs, Text: errParams.Error()}
	illegalUser = wire.Failure{
		Name: "illegal_user", Status: http.StatusOK, ErrCode: wire.CodeNoPermission,
		Text: "your user id must hold " + ids.Rule + ": ask for another",
	}
	tokenInURL = wire.Failure{Name: "token_in_url", Status: http.StatusOK, ErrCode: wire.CodeArgs,
		Text: "this gateway accepts no session token in the socket's address: get a ticket and offer it as a subprotocol, see docs/websocket.md"}
	foreignIdentity = wire.Failure{Name: "foreign_identity", Status: http.StatusOK, ErrCode: wire.CodeTokenInvalid,
		Text: "sendID and platformID are not those of the session: log in as them"}
)

// ServeHTTP opens a WebSocket. It replies to failures before the upgrade as OpenIM does: with an envelope. A client that sent
// isMsgResp=true cannot read the reply to a failed upgrade, and receives the envelope as the only frame of a WebSocket. ServeHTTP returns
// when the WebSocket is open; the relay continues in goroutines. The query may contain a token and is neither logged nor passed on.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !isUpgrade(req) {
		r.explain(w, req)
		return
	}
	if origin := req.Header.Get("Origin"); origin != "" && (r.o.Origin == nil || !r.o.Origin(origin)) {
		r.metrics.refusedConnect.WithLabelValues("origin").Inc()
		wire.WriteFailure(w, badOrigin)
		return
	}
	c, err := readConnect(req)
	if err != nil {
		r.refuse(w, req, c, Identity{}, &badParams, "")
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), r.o.timing.connect)
	defer cancel()
	id, failure := r.admit(ctx, req, &c)
	if failure != nil {
		r.refuse(w, req, c, id, failure, "")
		return
	}
	upstream, err := r.dialer.dial(ctx, id, c)
	if err != nil {
		r.hub.release(id)
		failure := unreachable(ctx, err)
		r.refuse(w, req, c, id, &failure, err.Error())
		return
	}
	s, err := r.accept(w, req, c, id, upstream)
	if err != nil {
		r.hub.release(id)
		go func() { _ = upstream.CloseNow() }()
		r.metrics.refusedConnect.WithLabelValues("upgrade").Inc()
		return
	}
	s.start()
}

// admit identifies the user and checks the limits of sockets. Without a failure a socket is reserved.
func (r *Relay) admit(ctx context.Context, req *http.Request, c *connectParams) (Identity, *wire.Failure) {
	id, failure := r.identify(ctx, req, c)
	if failure != nil {
		return id, failure
	}
	return id, r.hub.reserve(id)
}

// identify identifies the user and checks whether they may connect.
func (r *Relay) identify(ctx context.Context, req *http.Request, c *connectParams) (Identity, *wire.Failure) {
	if r.o.TicketOnly && c.ticket == "" {
		c.token = ""
		return Identity{}, &tokenInURL
	}
	if failure := r.hub.checkCapacity(); failure != nil {
		return Identity{}, failure
	}
	var id Identity
	var failure *wire.Failure
	if c.ticket != "" {
		id, failure = r.o.Sessions.Redeem(ctx, c.ticket)
	} else {
		id, failure = r.o.Sessions.Authenticate(ctx, c.token)
	}
	c.token = "" // not needed any more
	if failure != nil {
		return Identity{}, failure
	}
	if !c.matches(id) {
		return id, &foreignIdentity
	}
	if !ids.Legal(id.UserID) {
		return id, &illegalUser
	}
	if c.operationID = wire.BoundOperationID(c.operationID); c.operationID == "" {
		c.operationID = rand.Text()
	}
	if r.o.Authorizer != nil {
		f := Frame{
			Name: "connect", Class: ClassSocket, Audit: AuditRoutine, Encoding: c.encoding.String(), OperationID: c.operationID,
			RemoteIP: r.remoteIP(req),
		}
		if refusal := r.o.Authorizer.Frame(ctx, id, &f); refusal != nil {
			return id, &wire.Failure{Name: refusal.Reason, Status: http.StatusTooManyRequests, ErrCode: refusal.ErrCode, Text: refusal.Text}
		}
	}
	return id, nil
}

// explain replies to a request that is not an upgrade. Browsers hide the reply to a failed upgrade, so that SDKs in browsers request the
// same URL by a plain GET to learn the reason. They receive the failure that an upgrade would have. explain opens and counts no socket,
// and redeems no ticket.
func (r *Relay) explain(w http.ResponseWriter, req *http.Request) {
	if origin := req.Header.Get("Origin"); origin != "" {
		w.Header().Add("Vary", "Origin")
		if r.o.Origin == nil || !r.o.Origin(origin) {
			r.metrics.refusedConnect.WithLabelValues("origin").Inc()
			wire.WriteFailure(w, badOrigin)
			return
		}
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
	if req.Method != http.MethodGet || req.URL.RawQuery == "" {
		wire.WriteFailure(w, noUpgrade)
		return
	}
	c, err := readConnect(req)
	c.msgResp = false // there is no socket to send it on
	if err != nil {
		r.refuse(w, req, c, Identity{}, &badParams, "")
		return
	}
	if c.ticket != "" {
		wire.WriteFailure(w, noUpgrade)
		return
	}
	ctx, cancel := context.WithTimeout(req.Context(), r.o.timing.connect)
	defer cancel()
	id, failure := r.identify(ctx, req, &c)
	if failure == nil {
		failure = r.hub.check(id)
	}
	if failure != nil {
		r.refuse(w, req, c, id, failure, "")
		return
	}
	wire.WriteFailure(w, noUpgrade)
}

// remoteIP returns the client's address for the audit log and the rules.
func (r *Relay) remoteIP(req *http.Request) string {
	if r.o.RemoteIP != nil {
		return r.o.RemoteIP(req)
	}
	host, _, _ := net.SplitHostPort(req.RemoteAddr)
	return host
}

// unreachable returns the failure for a client when msggateway cannot be reached. Its errCode makes an SDK discard the session only if the
// session has ended.
func unreachable(ctx context.Context, err error) wire.Failure {
	var refusal *refusedByOpenIM
	if over, ok := sessionOver(err); ok {
		return over
	}
	switch {
	case errors.As(err, &refusal) && refusal.code == codeTooMany:
		return tooMany
	case errors.As(err, &refusal):
		return wire.BadGateway
	case ctx.Err() != nil, errors.Is(err, context.DeadlineExceeded):
		return wire.TimedOut
	}
	return wire.Unavailable
}

// sessionOver returns the failure of a session that Upstream or Members no longer accept. Its errCode makes SDKs log in again.
func sessionOver(err error) (wire.Failure, bool) {
	failure, ok := errors.AsType[wire.Failure](err)
	return failure, ok && wire.IsTokenError(failure.ErrCode)
}

// refuse replies to a connection that is not opened, and records it.
func (r *Relay) refuse(w http.ResponseWriter, req *http.Request, c connectParams, id Identity, failure *wire.Failure, detail string) {
	r.metrics.refusedConnect.WithLabelValues(failure.Name).Inc()
	verdict := VerdictRefused
	if failure.Status >= http.StatusInternalServerError {
		verdict = VerdictFailed
		r.o.Log.LogAttrs(req.Context(), slog.LevelWarn, "opening a socket: failed", slog.String("reason", failure.Name),
			slog.String("detail", wire.CleanDetail(detail)))
	}
	r.event(Event{Kind: KindOpened, Identity: id, Verdict: verdict, Reason: failure.Name, ErrCode: failure.ErrCode,
		Detail: wire.CleanDetail(detail),
		Frame:  &Frame{Name: "connect", Class: ClassSocket, Encoding: c.encoding.String(), RemoteIP: r.remoteIP(req)}})
	if !c.msgResp {
		wire.WriteFailure(w, *failure)
		return
	}
	text := envelope(failure.ErrCode, failure.Text)
	conn, raw, err := r.upgrade(w, req, c, nil)
	if err != nil {
		return
	}
	_ = raw.SetDeadline(time.Now().Add(r.o.timing.closing))
	go func() { //nolint:gosec // the request is over; the socket is closed after the closing timeout at the latest
		stop := time.AfterFunc(r.o.timing.closing, func() { _ = raw.Close() })
		defer stop.Stop()
		if conn.Write(context.Background(), websocket.MessageText, text) == nil {
			_ = conn.Close(websocket.StatusPolicyViolation, failure.Name)
		}
		_ = conn.CloseNow()
	}()
}

func envelope(code int, text string) []byte {
	body, err := json.Marshal(wire.Envelope{ErrCode: code, ErrMsg: text})
	if err != nil {
		panic("a number and a text are always JSON: " + err.Error())
	}
	return body
}

// hijacker records the connection when the library takes it over, so that the relay can set deadlines on it and close it.
type hijacker struct {
	http.ResponseWriter
	raw net.Conn
}

// Hijack implements http.Hijacker.
func (c *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	raw, buffers, err := http.NewResponseController(c.ResponseWriter).Hijack()
	if err != nil {
		return raw, buffers, err
	}
	c.raw = raw
	if buffers.Reader.Buffered() == 0 && buffers.Writer.Buffered() == 0 {
		buffers = bufio.NewReadWriter(bufio.NewReaderSize(raw, socketBuffer), bufio.NewWriterSize(raw, socketBuffer))
	}
	return raw, buffers, raw.SetDeadline(time.Time{}) // removes the server's deadlines, which are for a request
}

// socketBuffer is the buffer of each direction of an open socket. Frames are rarely larger, and most sockets are idle. The server's own
// buffers are four times as large; they stay in use if the client has sent data before the reply.
const socketBuffer = 1 << 10

// upgrade accepts the WebSocket. alive is called for each ping and pong of the client.
func (r *Relay) upgrade(w http.ResponseWriter, req *http.Request, c connectParams, alive func()) (*websocket.Conn, net.Conn, error) {
	caught := &hijacker{ResponseWriter: w}
	options := &websocket.AcceptOptions{InsecureSkipVerify: true} // ServeHTTP has checked the origin
	if c.native {
		options.Subprotocols = []string{Subprotocol}
	}
	if alive != nil {
		options.OnPingReceived = func(context.Context, []byte) bool { alive(); return true }
		options.OnPongReceived = func(context.Context, []byte) { alive() }
	}
	conn, err := websocket.Accept(caught, req, options)
	if err != nil {
		return nil, nil, errors.New("upgrading the client's connection failed")
	}
	conn.SetReadLimit(frame.MaxClient)
	return conn, caught.raw, nil
}
