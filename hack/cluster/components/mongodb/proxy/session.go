package proxy

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/wire"
)

// session is one client connection with its connection to FerretDB.
type session struct {
	*Server
	client  net.Conn
	backend *backend
}

// request is one command.
type request struct {
	name string // of the command
	db   string
	coll string // "" if the command concerns no collection
	cmd  wire.Command
	msg  wire.Message
}

func (r request) namespace() string { return r.db + "." + r.coll }

// body decodes the command's document.
func (r request) body() (bson.D, error) {
	var body bson.D
	if err := bson.Unmarshal(r.cmd.Body, &body); err != nil {
		return nil, fault.New(fault.FailedToParse, "the command's document cannot be read")
	}
	return body, nil
}

// serve answers one client until it leaves, breaks the protocol, or ctx ends.
func (s *Server) serve(ctx context.Context, client net.Conn) {
	defer client.Close()
	defer func() {
		if p := recover(); p != nil { // a panic in the proxy ends one connection, not the whole database
			s.Log.Error("a command made the proxy panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	// Idle connections are closed immediately; a running command is still answered.
	defer context.AfterFunc(ctx, func() { _ = client.SetReadDeadline(time.Unix(1, 0)) })()

	conn, err := s.Dial(ctx)
	if err != nil {
		s.Log.Error("FerretDB cannot be reached", "error", err)
		return
	}
	defer conn.Close()

	ses := &session{Server: s, client: client, backend: &backend{conn: conn}}
	for ctx.Err() == nil {
		if err := ses.answer(context.WithoutCancel(ctx)); err != nil {
			if !errors.Is(err, io.EOF) && ctx.Err() == nil {
				s.Log.Warn("connection closed", "client", client.RemoteAddr().String(), "error", err)
			}
			return
		}
	}
}

// answer reads one message and writes the reply to it. An error ends the connection.
func (s *session) answer(ctx context.Context) error {
	msg, err := wire.Read(s.client, func() { _ = s.client.SetReadDeadline(time.Now().Add(messageTimeout)) })
	if err != nil {
		return err
	}
	if err := s.client.SetReadDeadline(time.Time{}); err != nil {
		return err
	}

	var reply []byte
	switch msg.Op {
	case wiremessage.OpQuery:
		reply, err = s.hello(ctx, msg)
	case wiremessage.OpMsg:
		reply, err = s.command(ctx, msg)
	default:
		err = fmt.Errorf("message of type %s: use OP_MSG without compression", msg.Op)
	}
	if err != nil || reply == nil {
		return err
	}
	if err := s.client.SetWriteDeadline(time.Now().Add(messageTimeout)); err != nil {
		return err
	}
	_, err = s.client.Write(reply)
	return err
}

// hello forwards the one OP_QUERY that drivers still send.
func (s *session) hello(ctx context.Context, msg wire.Message) ([]byte, error) {
	collection, doc, err := wire.Query(msg.Body())
	if err != nil {
		return nil, err
	}
	name := commandName(doc)
	if c := commands[name]; !strings.HasSuffix(collection, ".$cmd") || !c.greets {
		return nil, fmt.Errorf("OP_QUERY for %q: only hello may use it: use OP_MSG", name)
	}
	reply, err := s.backend.forward(ctx, msg.Raw, msg.RequestID)
	return reply.Raw, err
}

func commandName(body bson.Raw) string {
	e, err := body.IndexErr(0)
	if err != nil {
		return ""
	}
	return e.Key()
}

// command executes one OP_MSG. Errors of the command are part of the reply; errors of the connections are returned.
func (s *session) command(ctx context.Context, msg wire.Message) ([]byte, error) {
	cmd, err := wire.ParseMsg(msg.Body())
	if err != nil {
		return nil, err
	}
	silent := cmd.Flags&wiremessage.MoreToCome != 0
	binary.LittleEndian.PutUint32(msg.Body(), 0) // FerretDB must answer each message exactly once

	reply, err := s.carryOut(ctx, request{name: commandName(cmd.Body), cmd: cmd, msg: msg})
	var refusal *fault.Error
	switch {
	case errors.As(err, &refusal):
		reply, err = s.encode(msg, bson.D{
			{Key: "ok", Value: float64(0)},
			{Key: "errmsg", Value: refusal.Message},
			{Key: "code", Value: refusal.Code},
			{Key: "codeName", Value: refusal.Name},
		})
	case err != nil:
		return nil, err
	}
	if silent {
		return nil, nil
	}
	return reply, err
}

func (s *session) carryOut(ctx context.Context, r request) ([]byte, error) {
	c, known := commands[r.name]
	if !known {
		s.Log.Warn("command refused", "command", clip(r.name))
		return nil, fault.New(fault.CommandNotFound, "the stand-in for MongoDB does not answer the command '%s'", clip(r.name))
	}
	r.db, _ = r.cmd.Body.Lookup("$db").StringValueOK()
	if r.db == "" {
		return nil, fault.New(40571, "OP_MSG requests require a $db argument")
	}
	r.coll, _ = r.cmd.Body.Lookup(r.name).StringValueOK()

	if ms, ok := r.cmd.Body.Lookup("maxTimeMS").AsInt64OK(); ok && ms > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, min(time.Duration(ms)*time.Millisecond, commandTimeout))
		defer cancel()
	}
	if c.writes {
		lock := s.locks.of(r.namespace())
		lock.Lock()
		defer lock.Unlock()
	}
	if c.handle == nil {
		return s.pass(ctx, r)
	}
	return c.handle(s, ctx, r)
}

// clip shortens a client's text for a log line or an error.
func clip(s string) string { return s[:min(len(s), 64)] }

// pass forwards the command to FerretDB.
func (s *session) pass(ctx context.Context, r request) ([]byte, error) {
	reply, err := s.backend.forward(ctx, r.msg.Raw, r.msg.RequestID)
	return reply.Raw, err
}

// reply returns a reply with a document, to which ok: 1 is added.
func (s *session) reply(r request, doc bson.D) ([]byte, error) {
	return s.encode(r.msg, append(doc, bson.E{Key: "ok", Value: float64(1)}))
}

func (s *session) encode(msg wire.Message, doc bson.D) ([]byte, error) {
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, err
	}
	s.backend.next++
	return wire.Msg(s.backend.next, msg.RequestID, raw), nil
}
