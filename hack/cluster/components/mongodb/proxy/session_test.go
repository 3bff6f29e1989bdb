package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/mjson"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/wire"
)

// ferret stands behind the proxy and answers each command by a script. It writes down what it was asked.
type ferret struct {
	mu     sync.Mutex
	asked  []string
	answer func(command bson.D) string // extended JSON; "" breaks the connection
}

func (f *ferret) serve(conn net.Conn) {
	defer conn.Close()
	for {
		msg, err := wire.Read(conn, nil)
		if err != nil {
			return
		}
		var body bson.D
		if msg.Op == wiremessage.OpMsg {
			cmd, err := wire.ParseMsg(msg.Body())
			if err != nil || bson.Unmarshal(cmd.Body, &body) != nil {
				return
			}
		} else {
			body = bson.D{{Key: "isMaster", Value: int32(1)}}
		}
		f.mu.Lock()
		f.asked = append(f.asked, body[0].Key)
		text := f.answer(body)
		f.mu.Unlock()
		var reply bson.D
		if bson.UnmarshalExtJSON([]byte(text), false, &reply) != nil {
			return
		}
		raw, _ := bson.Marshal(reply)
		if _, err := conn.Write(wire.Msg(1, msg.RequestID, raw)); err != nil {
			return
		}
	}
}

func (f *ferret) commands() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.asked, " ")
}

// proxied is a client's connection to a proxy with a scripted FerretDB.
type proxied struct {
	t    *testing.T
	conn net.Conn
	f    *ferret
	log  *bytes.Buffer
	stop func() // ends the proxy and waits for it
}

func newProxied(t *testing.T, answer func(bson.D) string) *proxied {
	t.Helper()
	p := &proxied{t: t, f: &ferret{answer: answer}, log: &bytes.Buffer{}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server := Server{Log: slog.New(slog.NewTextHandler(p.log, nil)), Dial: func(context.Context) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go p.f.serve(theirs)
		return ours, nil
	}}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, ln) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(p.stop)
	if p.conn, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.conn.Close() })
	_ = p.conn.SetDeadline(time.Now().Add(20 * time.Second))
	return p
}

// ask sends a command and gives the reply.
func (p *proxied) ask(command string) bson.D {
	p.t.Helper()
	raw, err := bson.Marshal(mjson.Document(p.t, command))
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.conn.Write(wire.Msg(42, 0, raw)); err != nil {
		p.t.Fatal(err)
	}
	msg, err := wire.Read(p.conn, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	cmd, err := wire.ParseMsg(msg.Body())
	if err != nil || msg.ResponseTo != 42 {
		p.t.Fatalf("reply to %d: %v", msg.ResponseTo, err)
	}
	var reply bson.D
	if err := bson.Unmarshal(cmd.Body, &reply); err != nil {
		p.t.Fatal(err)
	}
	return reply
}

// closed waits for the proxy to hang up.
func (p *proxied) closed() {
	p.t.Helper()
	// A reset tells the same: bytes were on their way that nobody will read.
	if _, err := wire.Read(p.conn, nil); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		p.t.Errorf("the connection: %v, want it closed", err)
	}
}

func ok(bson.D) string { return `{"ok": 1.0}` }

func TestKnownCommandsPassUnchangedAndOthersNeverReachFerretDB(t *testing.T) {
	p := newProxied(t, ok)
	if reply := p.ask(`{"ping": 1, "$db": "admin"}`); first(reply, "ok") != 1.0 {
		t.Errorf("ping: %v", reply)
	}
	for _, command := range []string{`{"debugError": "panic", "$db": "admin"}`, `{"PING": 1, "$db": "admin"}`, `{"": 1, "$db": "admin"}`} {
		if reply := p.ask(command); first(reply, "code") != int32(59) || first(reply, "ok") != 0.0 {
			t.Errorf("%s: %v, want CommandNotFound", command, reply)
		}
	}
	if reply := p.ask(`{"ping": 1}`); first(reply, "code") != int32(40571) {
		t.Errorf("without $db: %v", reply)
	}
	if got := p.f.commands(); got != "ping" {
		t.Errorf("FerretDB was asked %q, want ping alone", got)
	}
}

func TestCreateIndexesHandsOnOnlyWhatIsMissing(t *testing.T) {
	var created any
	p := newProxied(t, func(cmd bson.D) string {
		if cmd[0].Key == "listIndexes" {
			return `{"cursor": {"firstBatch": [{"v": 2, "key": {"_id": 1}, "name": "_id_"}, {"v": 2, "key": {"a": 1}, "name": "a_1"}], "id": {"$numberLong": "0"}}, "ok": 1.0}`
		}
		created = first(cmd, "indexes")
		return `{"numIndexesBefore": 2, "numIndexesAfter": 3, "ok": 1.0}`
	})
	reply := p.ask(
		`{"createIndexes": "c", "indexes": [{"key": {"a": {"$numberLong": "1"}}, "name": "a_1"}, {"key": {"b": 1}, "name": "b_1"}, {"key": {"b": 1}, "name": "b_1"}], "$db": "d"}`,
	)
	if first(reply, "numIndexesAfter") != int32(3) {
		t.Errorf("reply = %v", reply)
	}
	if want := mjson.Text(t, mjson.Array(t, `[{"key": {"b": 1}, "name": "b_1"}]`)); mjson.Text(t, created) != want {
		t.Errorf("FerretDB was to create %s, want %s", mjson.Text(t, created), want)
	}
	reply = p.ask(`{"createIndexes": "c", "indexes": [{"key": {"a": 1}, "name": "a_1"}], "$db": "d"}`)
	if first(reply, "numIndexesBefore") != int32(2) || first(reply, "numIndexesAfter") != int32(2) || first(reply, "ok") != 1.0 {
		t.Errorf("all there: %v", reply)
	}
	if got := p.f.commands(); got != "listIndexes createIndexes listIndexes" {
		t.Errorf("FerretDB was asked %q", got)
	}
}

func TestFerretDBsErrorsReachTheClient(t *testing.T) {
	p := newProxied(t, func(bson.D) string { return `{"ok": 0.0, "code": 13, "codeName": "Unauthorized", "errmsg": "no"}` })
	reply := p.ask(`{"aggregate": "c", "pipeline": [], "cursor": {}, "$db": "d"}`)
	if first(reply, "code") != int32(13) || first(reply, "codeName") != "Unauthorized" || first(reply, "errmsg") != "no" {
		t.Errorf("reply = %v", reply)
	}
}

func TestACursorThatIsNotReadToItsEndIsClosed(t *testing.T) {
	p := newProxied(t, func(cmd bson.D) string {
		if cmd[0].Key == "find" {
			return `{"cursor": {"firstBatch": [{"_id": 1}, {"_id": 2}], "id": {"$numberLong": "5"}}, "ok": 1.0}`
		}
		return `{"ok": 1.0}`
	})
	p.ask(`{"aggregate": "c", "pipeline": [{"$limit": 1}], "cursor": {}, "$db": "d"}`)
	if got := p.f.commands(); got != "find killCursors" {
		t.Errorf("FerretDB was asked %q", got)
	}
}

func TestWhoBreaksTheProtocolIsHungUpOn(t *testing.T) {
	query := func(name string) []byte {
		doc, _ := bson.Marshal(bson.D{{Key: name, Value: int32(1)}})
		body := wiremessage.AppendQueryFlags(nil, 0)
		body = wiremessage.AppendQueryFullCollectionName(body, "admin.$cmd")
		body = wiremessage.AppendQueryNumberToReturn(wiremessage.AppendQueryNumberToSkip(body, 0), -1)
		body = append(body, doc...)
		return append(wiremessage.AppendHeader(nil, int32(16+len(body)), 1, 0, wiremessage.OpQuery), body...)
	}
	for name, message := range map[string][]byte{
		"an OP_QUERY that is no hello": query("dropDatabase"),
		"a compressed message":         wiremessage.AppendHeader(nil, 16, 1, 0, wiremessage.OpCompressed),
		"a message of absurd size":     binary.LittleEndian.AppendUint32(nil, 0x7fffffff),
		"an OP_MSG without a document": append(wiremessage.AppendHeader(nil, 20, 1, 0, wiremessage.OpMsg), 0, 0, 0, 0),
	} {
		t.Run(name, func(t *testing.T) {
			p := newProxied(t, ok)
			if _, err := p.conn.Write(append(message, make([]byte, 16)...)); err != nil {
				t.Fatal(err)
			}
			p.closed()
			if got := p.f.commands(); got != "" {
				t.Errorf("FerretDB was asked %q", got)
			}
		})
	}
	p := newProxied(t, ok)
	if _, err := p.conn.Write(query("isMaster")); err != nil {
		t.Fatal(err)
	}
	if _, err := wire.Read(p.conn, nil); err != nil || p.f.commands() != "isMaster" {
		t.Errorf("hello by OP_QUERY: %v, FerretDB was asked %q", err, p.f.commands())
	}
}

func TestAClientIsHungUpOnWhenFerretDBBreaksOff(t *testing.T) {
	p := newProxied(t, func(bson.D) string { return "" })
	raw, _ := bson.Marshal(bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}})
	if _, err := p.conn.Write(wire.Msg(1, 0, raw)); err != nil {
		t.Fatal(err)
	}
	p.closed()
}

func TestStoppingAnswersTheCommandUnderWayAndSendsTheRestAway(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	p := newProxied(t, func(bson.D) string {
		close(entered)
		<-leave
		return `{"ok": 1.0}`
	})
	answered := make(chan bson.D, 1)
	go func() { answered <- p.ask(`{"ping": 1, "$db": "admin"}`) }()
	<-entered
	stopped := make(chan struct{})
	go func() { p.stop(); close(stopped) }()
	close(leave)
	if reply := <-answered; first(reply, "ok") != 1.0 {
		t.Errorf("reply = %v", reply)
	}
	<-stopped
	p.closed()
}

func TestNothingOfADocumentIsLogged(t *testing.T) {
	p := newProxied(t, func(bson.D) string { return `{"ok": 0.0, "code": 1, "codeName": "InternalError", "errmsg": "x"}` })
	p.ask(`{"findAndModify": "c", "query": {"token": "hush"}, "update": [{"$set": {"a": "hush"}}], "$db": "d"}`)
	p.ask(`{"hushCommand": "hush", "$db": "d"}`)
	p.stop()
	if log := p.log.String(); strings.Contains(strings.ReplaceAll(log, "hushCommand", ""), "hush") || !strings.Contains(log, "hushCommand") {
		t.Errorf("log = %s", log)
	}
}

func TestWritesOfOneCollectionShareALock(t *testing.T) {
	var l locks
	if first := l.of("d.c"); first != l.of("d."+string('c')) {
		t.Error("two locks for one collection")
	}
	others := map[*sync.Mutex]bool{}
	for _, name := range []string{"d.a", "d.b", "d.c", "d.e", "d.f", "d.g", "d.h", "d.i"} {
		others[l.of(name)] = true
	}
	if len(others) < 2 {
		t.Error("all collections share one lock")
	}
	for name, c := range commands {
		if strings.HasPrefix(name, "find") || name == "aggregate" {
			if c.writes != strings.Contains(strings.ToLower(name), "modify") {
				t.Errorf("%s: writes = %v", name, c.writes)
			}
		}
	}
}
