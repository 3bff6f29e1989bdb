package websocket

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// closeReason is how a socket is closed. Its name is the reason in metrics and the audit log.
type closeReason struct {
	name string
	code websocket.StatusCode
	kick bool // send OpenIM's kick frame first: SDKs call OnKickedOffline
}

// statusKicked is the wrapper's own code: the session is no longer valid. A reconnection reports the reason, as 1501 or 1506.
const statusKicked = websocket.StatusCode(4401)

var (
	endRevoked   = closeReason{"revoked", statusKicked, true}
	endReplaced  = closeReason{"replaced", statusKicked, true}
	endExpired   = closeReason{"expired", statusKicked, false}
	endKicked    = closeReason{"kicked_by_openim", statusKicked, false} // after OpenIM's frame was passed on
	endLogout    = closeReason{"logout", websocket.StatusNormalClosure, false}
	endDraining  = closeReason{"draining", websocket.StatusServiceRestart, false}
	endUpstream  = closeReason{"upstream_gone", websocket.StatusServiceRestart, false}
	endUnread    = closeReason{"upstream_malformed", websocket.StatusInternalError, false}
	endMalformed = closeReason{"malformed", websocket.StatusPolicyViolation, false}
	endTooLarge  = closeReason{"too_large", websocket.StatusMessageTooBig, false}
	endSlow      = closeReason{"slow", websocket.StatusPolicyViolation, false}
	endSilent    = closeReason{"silent", websocket.StatusPolicyViolation, false}
	endClient    = closeReason{"client", websocket.StatusNormalClosure, false}
)

// kickFrames holds OpenIM's kick frame in each encoding, encoded once because thousands of sockets can end at once.
var kickFrames = func() map[frame.Encoding][]byte {
	out := map[frame.Encoding][]byte{}
	for _, e := range []frame.Encoding{{}, {Gzip: true}, {JSON: true}, {JSON: true, Gzip: true}} {
		out[e] = e.EncodeReply(frame.Reply{ID: idKick})
	}
	return out
}()

// socket relays between a client's WebSocket and one to msggateway. Two goroutines always run, one reader for each side. A third one
// writes to the client while frames are queued.
type socket struct {
	relay          *Relay
	id             Identity
	name           string
	ip             string
	enc            frame.Encoding
	client         *websocket.Conn
	raw            net.Conn // the connection of client
	upstream       *websocket.Conn
	opened         time.Time
	out            outbox
	pending        pendingRequests
	state          socketState
	detach         func()
	heartbeatTimer *time.Timer

	closing  atomic.Bool
	once     sync.Once
	lastSeen atomic.Int64 // Unix nanoseconds of the client's last activity
	inBody   atomic.Bool  // a frame is being read: its deadline applies
}

// accept upgrades the client's connection. The returned socket is not started.
func (r *Relay) accept(w http.ResponseWriter, req *http.Request, c connectParams, id Identity, upstream *websocket.Conn) (*socket, error) {
	s := &socket{relay: r, id: id, name: rand.Text(), ip: r.remoteIP(req), enc: c.encoding, upstream: upstream, opened: r.o.Now()}
	s.out.socket = s
	var err error
	if s.client, s.raw, err = r.upgrade(w, req, c, s.alive); err != nil {
		return nil, err
	}
	if c.msgResp {
		s.out.push(websocket.MessageText, envelope(wire.CodeOK, ""), nil)
	}
	return s, nil
}

// start registers the socket, attaches it to the session and starts its goroutines.
func (s *socket) start() {
	r := s.relay
	s.alive()
	r.metrics.sockets.Inc()
	r.event(Event{Kind: KindOpened, Identity: s.id, Verdict: VerdictAllowed, Frame: s.about("connect")})
	s.heartbeatTimer = time.AfterFunc(time.Hour, s.heartbeat)
	s.heartbeatTimer.Reset(s.nextHeartbeat())
	listed := r.hub.add(s)
	go s.readClient()
	go s.readUpstream()
	detach := r.o.Sessions.Attach(s.id, func(cause Cause) {
		switch cause {
		case CauseExpired:
			s.end(endExpired)
		case CauseReplaced:
			s.end(endReplaced)
		default:
			s.end(endRevoked)
		}
	})
	s.out.mu.Lock()
	s.detach = detach
	s.out.mu.Unlock()
	if s.closing.Load() && detach != nil {
		detach()
	}
	if !listed {
		s.end(endDraining)
	}
}

// about returns a Frame that describes the socket itself.
func (s *socket) about(name string) *Frame {
	return &Frame{Name: name, Class: ClassSocket, Encoding: s.enc.String(), RemoteIP: s.ip, SocketID: s.name}
}

// alive records activity of the client, and extends the read deadline.
func (s *socket) alive() {
	now := time.Now()
	s.lastSeen.Store(now.UnixNano())
	if !s.inBody.Load() {
		_ = s.raw.SetReadDeadline(now.Add(s.relay.o.timing.silence))
	}
}

// readClient handles the client's frames until one side is closed.
func (s *socket) readClient() {
	for {
		s.alive()
		kind, r, err := s.client.Reader(context.Background())
		if err != nil {
			s.end(readEnd(err))
			return
		}
		s.inBody.Store(true)
		_ = s.raw.SetReadDeadline(time.Now().Add(s.relay.o.timing.body))
		data, err := io.ReadAll(r)
		s.inBody.Store(false)
		if err != nil {
			s.end(readEnd(err))
			return
		}
		if s.closing.Load() {
			continue // frames during the shutdown are read only to find the client's close frame
		}
		s.relay.metrics.bytes.WithLabelValues("client").Add(float64(len(data)))
		var end *closeReason
		onNewStack(func() { end = s.handleMessage(kind, data) })
		if end != nil {
			s.end(*end)
		}
	}
}

// onNewStack runs f in a goroutine of its own and waits for it. A reader waits most of the time. Decoding and checking a frame would
// double the size of its stack permanently, by some 8 KB for each socket.
func onNewStack(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

// handleMessage handles one frame of the client. It returns the reason to close the socket, nil to keep it open.
func (s *socket) handleMessage(kind websocket.MessageType, data []byte) *closeReason {
	if kind == websocket.MessageText {
		return s.handleText(data)
	}
	return s.handleFrame(data)
}

// readEnd returns the close reason for a read error.
func readEnd(err error) closeReason {
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return endTooLarge
	case websocket.CloseStatus(err) != -1:
		return endClient
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return endSilent
	}
	return endClient
}

// Values of a text frame's type.
const (
	typePing = "ping"
	typePong = "pong"
	maxText  = 1 << 10
)

// handleText replies to the text pings of SDKs that cannot send pings of the protocol. OpenIM accepts no other text.
func (s *socket) handleText(data []byte) *closeReason {
	var m struct {
		Type string          `json:"type"`
		Body json.RawMessage `json:"body"`
	}
	if len(data) > maxText || json.Unmarshal(data, &m) != nil {
		return s.malformed("handling a text frame: not a ping")
	}
	switch m.Type {
	case typePong:
		return nil
	case typePing:
		m.Type = typePong
		answer, err := json.Marshal(m)
		if err != nil {
			return s.malformed("handling a text frame: the ping cannot be encoded")
		}
		s.out.push(websocket.MessageText, answer, nil)
		return nil
	}
	return s.malformed("handling a text frame: not a ping")
}

// malformed records a malformed frame and returns the reason to close the socket.
func (s *socket) malformed(detail string) *closeReason {
	s.relay.metrics.frames.WithLabelValues("unknown", VerdictRefused, endMalformed.name).Inc()
	s.relay.event(Event{Kind: KindFrame, Identity: s.id, Verdict: VerdictRefused, Reason: endMalformed.name, Detail: detail,
		Frame: s.about("unknown")})
	return &endMalformed
}

// handleFrame checks a request, and passes it on, replies with an error, or returns the reason to close the socket.
func (s *socket) handleFrame(data []byte) *closeReason {
	r, start := s.relay, time.Now()
	req, err := s.enc.DecodeRequest(data)
	if err != nil {
		return s.malformed(err.Error())
	}
	f := Frame{ID: req.ID, Name: "unknown", Encoding: s.enc.String(), Bytes: len(data),
		OperationID: wire.BoundOperationID(req.OperationID), RemoteIP: s.ip, SocketID: s.name}
	ctx, cancel := context.WithTimeout(context.Background(), r.o.timing.decide)
	defer cancel()
	o, err := r.frames.decide(ctx, s.id, &s.state, req, &f)
	if err != nil {
		return s.malformed(err.Error())
	}
	out := s.prepare(&o)
	took := time.Since(start)
	s.record(&f, &o, took)
	if o.refusal != nil {
		s.out.push(websocket.MessageBinary, s.enc.EncodeReply(frame.Reply{
			ID: req.ID, MsgIncr: req.MsgIncr, OperationID: req.OperationID, ErrCode: o.refusal.ErrCode, ErrMsg: o.refusal.Text,
		}), nil)
		return nil
	}
	write, stop := context.WithTimeout(context.Background(), r.o.timing.write)
	defer stop()
	if err := s.upstream.Write(write, websocket.MessageBinary, out); err != nil {
		return &endUpstream
	}
	return nil
}

// prepare records a request that is passed on, and encodes it for OpenIM. It refuses a request that is too large or one too many.
func (s *socket) prepare(o *decision) []byte {
	if o.refusal != nil {
		return nil
	}
	if !s.pending.add(&o.request, o.conversations, time.Now()) {
		*o = refused(wire.CodeInternal, reasonBusy, "too many requests wait for a reply: send the next after a reply")
		return nil
	}
	out, err := s.enc.EncodeRequest(o.request)
	if err != nil {
		s.pending.take(frame.Reply{ID: o.request.ID, MsgIncr: o.request.MsgIncr})
		*o = refused(wire.CodeArgs, reasonTooLarge, frame.ErrTooLarge.Error())
		return nil
	}
	return out
}

// record counts every frame and reports it to the audit log.
func (s *socket) record(f *Frame, o *decision, took time.Duration) {
	m := s.relay.metrics
	e := Event{Kind: KindFrame, Identity: s.id, Frame: f, Verdict: o.verdict, Latency: took}
	if o.refusal != nil {
		e.Reason, e.ErrCode, e.Detail = o.refusal.Reason, o.refusal.ErrCode, o.refusal.Detail
	}
	m.frames.WithLabelValues(f.Name, o.verdict, e.Reason).Inc()
	m.decide.Observe(took.Seconds())
	s.relay.event(e)
}

// readUpstream handles OpenIM's frames until one side is closed.
func (s *socket) readUpstream() {
	for {
		kind, data, err := s.upstream.Read(context.Background())
		if err != nil {
			s.out.push(0, nil, &endUpstream) // after the queued frames
			return
		}
		if kind != websocket.MessageBinary {
			continue // OpenIM sends texts only as replies to texts, which the relay does not send
		}
		s.relay.metrics.bytes.WithLabelValues("openim").Add(float64(len(data)))
		var last bool
		onNewStack(func() { last = s.handleReply(data) })
		if last {
			return
		}
	}
}

// heartbeat pings both sides: OpenIM closes connections that are silent for 30 s, and a dead network to the client must be detected. It
// runs in the timer's goroutine and resets the timer.
func (s *socket) heartbeat() {
	t := s.relay.o.timing
	if s.closing.Load() {
		return
	}
	if !s.relay.o.Now().Before(s.id.Expires) && !s.id.Expires.IsZero() {
		s.end(endExpired)
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), t.pong)
	defer cancel()
	if err := s.upstream.Ping(ctx); err != nil {
		s.end(endUpstream)
		return
	}
	if time.Since(time.Unix(0, s.lastSeen.Load())) >= t.heartbeat {
		go s.ping()
	}
	if !s.closing.Load() {
		s.heartbeatTimer.Reset(s.nextHeartbeat())
	}
}

// ping sends a ping to make the client reply. Any frame counts as activity: openim-sdk-core replies with an empty pong, which the library
// does not recognise as the reply. Therefore a missing pong has no effect. The read deadline detects clients that send nothing.
func (s *socket) ping() {
	ctx, cancel := context.WithTimeout(context.Background(), s.relay.o.timing.pong)
	defer cancel()
	_ = s.client.Ping(ctx)
}

// nextHeartbeat returns the time until the next heartbeat, or until the session's end if that is sooner.
func (s *socket) nextHeartbeat() time.Duration {
	next := s.relay.o.timing.heartbeat
	if s.id.Expires.IsZero() {
		return next
	}
	return max(min(next, s.id.Expires.Sub(s.relay.o.Now())), time.Millisecond)
}

// end closes the socket once. It does not block.
func (s *socket) end(e closeReason) {
	s.once.Do(func() {
		s.closing.Store(true)
		go s.shutdown(e)
	})
}

// shutdown sends the close reason, waits a moment for the client's close frame, and releases everything in any case.
func (s *socket) shutdown(e closeReason) {
	r := s.relay
	s.out.stop()
	if s.heartbeatTimer != nil {
		s.heartbeatTimer.Stop()
	}
	go func() { _ = s.upstream.CloseNow() }()
	_ = s.raw.SetWriteDeadline(time.Now().Add(r.o.timing.closing))
	last := time.AfterFunc(r.o.timing.closing, func() { _ = s.raw.Close() })
	if e.kick {
		_ = s.client.Write(context.Background(), websocket.MessageBinary, kickFrames[s.enc])
	}
	_ = s.client.Close(e.code, e.name)
	last.Stop()
	s.out.mu.Lock()
	detach := s.detach
	s.out.mu.Unlock()
	if detach != nil {
		detach()
	}
	r.metrics.sockets.Dec()
	r.metrics.closed.WithLabelValues(e.name).Inc()
	r.event(Event{Kind: KindClosed, Identity: s.id, Verdict: VerdictAllowed, Reason: e.name, Latency: r.o.Now().Sub(s.opened),
		Frame: s.about("close")})
	r.hub.remove(s) // last, so that a drained replica has recorded all events
}

func (r *Relay) event(e Event) {
	if r.o.AuditLog != nil {
		r.o.AuditLog.Event(context.Background(), e)
	}
}
