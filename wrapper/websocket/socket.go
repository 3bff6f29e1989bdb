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

// ending is how a socket is closed. Its name is the reason in metrics and the trail.
type ending struct {
	name string
	code websocket.StatusCode
	kick bool // OpenIM's kick frame goes first: SDKs call OnKickedOffline
}

// statusKicked is ours: the session does not hold any longer. Reconnecting says why, by 1501 or 1506.
const statusKicked = websocket.StatusCode(4401)

var (
	endRevoked   = ending{"revoked", statusKicked, true}
	endExpired   = ending{"expired", statusKicked, false}
	endKicked    = ending{"kicked_by_openim", statusKicked, false} // its frame was passed on
	endLogout    = ending{"logout", websocket.StatusNormalClosure, false}
	endDraining  = ending{"draining", websocket.StatusServiceRestart, false}
	endUpstream  = ending{"upstream_gone", websocket.StatusServiceRestart, false}
	endUnread    = ending{"upstream_malformed", websocket.StatusInternalError, false}
	endMalformed = ending{"malformed", websocket.StatusPolicyViolation, false}
	endTooLarge  = ending{"too_large", websocket.StatusMessageTooBig, false}
	endSlow      = ending{"slow", websocket.StatusPolicyViolation, false}
	endSilent    = ending{"silent", websocket.StatusPolicyViolation, false}
	endClient    = ending{"client", websocket.StatusNormalClosure, false}
)

// kickFrames are OpenIM's kick, ready for when thousands of sockets end at once.
var kickFrames = func() map[frame.Encoding][]byte {
	out := map[frame.Encoding][]byte{}
	for _, e := range []frame.Encoding{{}, {Gzip: true}, {JSON: true}, {JSON: true, Gzip: true}} {
		out[e] = e.EncodeReply(frame.Reply{ID: idKick})
	}
	return out
}()

// socket is one client's and one of ours to msggateway, and what goes between them. Two goroutines are always there, each
// reading one side; a third writes to the client while there is something to write.
type socket struct {
	relay    *Relay
	id       Identity
	name     string
	ip       string
	enc      frame.Encoding
	client   *websocket.Conn
	raw      net.Conn // beneath client
	upstream *websocket.Conn
	opened   time.Time
	out      outbox
	open     questions
	held     held
	detach   func()
	beat     *time.Timer

	closing atomic.Bool
	once    sync.Once
	heard   atomic.Int64 // unix ns of the client's last sign of life
	inBody  atomic.Bool  // a frame is being read: its own deadline holds
}

func (r *Relay) accept(w http.ResponseWriter, req *http.Request, c connect, id Identity, upstream *websocket.Conn) (*socket, error) {
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

// start lists the socket, hands it to the session and lets it run.
func (s *socket) start() {
	r := s.relay
	s.alive()
	r.metrics.sockets.Inc()
	r.event(Event{Kind: KindOpened, Identity: s.id, Verdict: VerdictAllowed, Frame: s.about("connect")})
	s.beat = time.AfterFunc(time.Hour, s.heartbeat)
	s.beat.Reset(s.nextBeat())
	listed := r.hub.add(s)
	go s.readClient()
	go s.readUpstream()
	detach := r.o.Sessions.Attach(s.id, func(cause Cause) {
		if cause == CauseExpired {
			s.end(endExpired)
			return
		}
		s.end(endRevoked)
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

func (s *socket) about(name string) *Frame {
	return &Frame{Name: name, Class: ClassSocket, Encoding: s.enc.String(), RemoteIP: s.ip, SocketID: s.name}
}

// alive notes that the client gave a sign of life.
func (s *socket) alive() {
	now := time.Now()
	s.heard.Store(now.UnixNano())
	if !s.inBody.Load() {
		_ = s.raw.SetReadDeadline(now.Add(s.relay.o.timing.silence))
	}
}

// readClient passes the client's frames on until one side is gone.
func (s *socket) readClient() {
	for {
		s.alive()
		kind, r, err := s.client.Reader(context.Background())
		if err != nil {
			s.end(gone(err))
			return
		}
		s.inBody.Store(true)
		_ = s.raw.SetReadDeadline(time.Now().Add(s.relay.o.timing.body))
		data, err := io.ReadAll(r)
		s.inBody.Store(false)
		if err != nil {
			s.end(gone(err))
			return
		}
		if s.closing.Load() {
			continue // what comes during the farewell is read to find the client's close frame
		}
		s.relay.metrics.bytes.WithLabelValues("client").Add(float64(len(data)))
		var end *ending
		aside(func() { end = s.take(kind, data) })
		if end != nil {
			s.end(*end)
		}
	}
}

// aside runs f on a goroutine of its own and waits for it. A reader waits nearly all its life; unpacking and judging a frame
// would leave it a stack of twice the size for good, some 8 KB for each socket.
func aside(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (s *socket) take(kind websocket.MessageType, data []byte) *ending {
	if kind == websocket.MessageText {
		return s.takeText(data)
	}
	return s.takeFrame(data)
}

// gone tells why nothing more can be read.
func gone(err error) ending {
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

// Types of text frames.
const (
	typePing = "ping"
	typePong = "pong"
	maxText  = 1 << 10
)

// takeText answers the text pings of SDKs that cannot send real ones. OpenIM takes no other text.
func (s *socket) takeText(data []byte) *ending {
	var m struct {
		Type string          `json:"type"`
		Body json.RawMessage `json:"body"`
	}
	if len(data) > maxText || json.Unmarshal(data, &m) != nil {
		return s.malformed("a text frame is no ping")
	}
	switch m.Type {
	case typePong:
		return nil
	case typePing:
		m.Type = typePong
		answer, err := json.Marshal(m)
		if err != nil {
			return s.malformed("a ping cannot be repeated")
		}
		s.out.push(websocket.MessageText, answer, nil)
		return nil
	}
	return s.malformed("a text frame is no ping")
}

func (s *socket) malformed(detail string) *ending {
	s.relay.metrics.frames.WithLabelValues("unknown", VerdictRefused, endMalformed.name).Inc()
	s.relay.event(Event{Kind: KindFrame, Identity: s.id, Verdict: VerdictRefused, Reason: endMalformed.name, Detail: detail, Frame: s.about("unknown")})
	return &endMalformed
}

// takeFrame decides on a request and passes it on, answers it with an error, or ends the socket.
func (s *socket) takeFrame(data []byte) *ending {
	r, start := s.relay, time.Now()
	req, err := s.enc.DecodeRequest(data)
	if err != nil {
		return s.malformed(err.Error())
	}
	f := Frame{ID: req.ID, Name: "unknown", Encoding: s.enc.String(), Bytes: len(data),
		OperationID: wire.BoundOperationID(req.OperationID), RemoteIP: s.ip, SocketID: s.name}
	ctx, cancel := context.WithTimeout(context.Background(), r.o.timing.decide)
	defer cancel()
	o, err := r.guard.decide(ctx, s.id, &s.held, req, &f)
	if err != nil {
		return s.malformed(err.Error())
	}
	out := s.ready(&o)
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

// ready notes a request that goes on and writes it for OpenIM. What cannot go on is refused.
func (s *socket) ready(o *outcome) []byte {
	if o.refusal != nil {
		return nil
	}
	if !s.open.add(&o.request, o.asked, time.Now()) {
		*o = refused(wire.CodeInternal, reasonBusy, "too many of your requests wait for an answer: send the next when one came")
		return nil
	}
	out, err := s.enc.EncodeRequest(o.request)
	if err != nil {
		s.open.take(frame.Reply{ID: o.request.ID, MsgIncr: o.request.MsgIncr})
		*o = refused(wire.CodeArgs, reasonTooLarge, frame.ErrTooLarge.Error())
		return nil
	}
	return out
}

// record counts every frame and tells the trail of it.
func (s *socket) record(f *Frame, o *outcome, took time.Duration) {
	m := s.relay.metrics
	e := Event{Kind: KindFrame, Identity: s.id, Frame: f, Verdict: o.verdict, Latency: took}
	if o.refusal != nil {
		e.Reason, e.ErrCode, e.Detail = o.refusal.Reason, o.refusal.ErrCode, o.refusal.Detail
	}
	m.frames.WithLabelValues(f.Name, o.verdict, e.Reason).Inc()
	m.decide.Observe(took.Seconds())
	s.relay.event(e)
}

// readUpstream passes OpenIM's frames on until one side is gone.
func (s *socket) readUpstream() {
	for {
		kind, data, err := s.upstream.Read(context.Background())
		if err != nil {
			s.out.push(0, nil, &endUpstream) // after what waits
			return
		}
		if kind != websocket.MessageBinary {
			continue // OpenIM's texts are answers to texts, and we send none
		}
		s.relay.metrics.bytes.WithLabelValues("openim").Add(float64(len(data)))
		var last bool
		aside(func() { last = s.give(data) })
		if last {
			return
		}
	}
}

// heartbeat keeps both sides: OpenIM drops who has been silent for 30 s, and a client behind a dead network must be noticed. It
// runs on the timer's goroutine and sets the timer anew.
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
	if time.Since(time.Unix(0, s.heard.Load())) >= t.beat {
		go s.ask()
	}
	if !s.closing.Load() {
		s.beat.Reset(s.nextBeat())
	}
}

// ask sends a ping, so that a client has something to answer. Whatever it sends is a sign of life: openim-sdk-core answers with an
// empty pong, which the library does not take for the answer to its ping. So nothing follows from a ping without one; who
// sends nothing at all is noticed by the deadline of reading.
func (s *socket) ask() {
	ctx, cancel := context.WithTimeout(context.Background(), s.relay.o.timing.pong)
	defer cancel()
	_ = s.client.Ping(ctx)
}

// nextBeat is the time to the next heartbeat, or to the session's end if that is sooner.
func (s *socket) nextBeat() time.Duration {
	next := s.relay.o.timing.beat
	if s.id.Expires.IsZero() {
		return next
	}
	return max(min(next, s.id.Expires.Sub(s.relay.o.Now())), time.Millisecond)
}

// end closes the socket once, without keeping its caller waiting.
func (s *socket) end(e ending) {
	s.once.Do(func() {
		s.closing.Store(true)
		go s.farewell(e)
	})
}

// farewell says why, waits a moment for the client's close frame, and lets go of everything whatever happens.
func (s *socket) farewell(e ending) {
	r := s.relay
	s.out.stop()
	if s.beat != nil {
		s.beat.Stop()
	}
	go func() { _ = s.upstream.CloseNow() }()
	_ = s.raw.SetWriteDeadline(time.Now().Add(r.o.timing.farewell))
	last := time.AfterFunc(r.o.timing.farewell, func() { _ = s.raw.Close() })
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
	r.event(Event{Kind: KindClosed, Identity: s.id, Verdict: VerdictAllowed, Reason: e.name, Latency: r.o.Now().Sub(s.opened), Frame: s.about("close")})
	r.hub.leave(s) // the last, so that a drained replica has told the trail of everything
}

func (r *Relay) event(e Event) {
	if r.o.Trail != nil {
		r.o.Trail.Event(context.Background(), e)
	}
}
