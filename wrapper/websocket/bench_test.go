package websocket

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	coder "github.com/coder/websocket"
	"github.com/gorilla/websocket"

	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// childMode is the environment variable that makes the test binary run a relay as a process of its own, so that the measurement includes
// neither clients nor OpenIM. Its value selects the guarded relay or one that only copies frames.
const childMode = "REALTIME_BENCH_RELAY"

// usage is the resource usage that the child reports.
type usage struct {
	RSS        int64 // bytes, as are the next two
	Heap       int64
	Stack      int64
	CPU        int64 // nanoseconds
	Goroutines int
}

// serveChild is the child's main function. It returns at the end of its standard input.
func serveChild(mode, upstream string) {
	var handler http.Handler = bareRelay{upstream}
	if mode == "guarded" {
		relay, err := New(Options{URL: upstream, Sessions: anyone{}, Upstream: anyone{}, Members: anyone{}, MaxSockets: 1 << 20,
			MaxPerUser: 1 << 20, MaxPerDevice: 1 << 20})
		if err != nil {
			panic(err)
		}
		handler = relay
	}
	mux := http.NewServeMux()
	mux.Handle(wire.SocketPath, handler)
	mux.HandleFunc("/usage", func(w http.ResponseWriter, _ *http.Request) {
		runtime.GC()
		debug.FreeOSMemory()
		var u syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
		text, _ := os.ReadFile("/proc/self/statm")
		var size, resident int64
		_, _ = fmt.Sscan(string(text), &size, &resident)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		_ = json.NewEncoder(w).Encode(usage{
			RSS: resident * int64(os.Getpagesize()), Heap: int64(m.HeapAlloc), Stack: int64(m.StackInuse),
			CPU: u.Utime.Nano() + u.Stime.Nano(), Goroutines: runtime.NumGoroutine(),
		})
	})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := &http.Server{Handler: mux, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(ln) }()
	_, _ = os.Stdout.WriteString(ln.Addr().String() + "\n")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	os.Exit(0)
}

// anyone accepts every session.
type anyone struct{}

func (anyone) Authenticate(context.Context, string) (Identity, *wire.Failure) {
	return Identity{UserID: "alice", DeviceID: "d", PlatformID: 1, Expires: time.Now().Add(24 * time.Hour)}, nil
}
func (a anyone) Redeem(ctx context.Context, ticket string) (Identity, *wire.Failure) {
	return a.Authenticate(ctx, ticket)
}
func (anyone) Attach(Identity, func(Cause)) func() { return func() {} }
func (anyone) Token(context.Context, Identity, string) (string, string, error) {
	return "t", "h", nil
}
func (anyone) Member(_ context.Context, _ Identity, ids []string) ([]bool, error) {
	return slices.Repeat([]bool{true}, len(ids)), nil
}

// bareRelay copies frames between two sockets of the same library without checks.
type bareRelay struct{ upstream string }

func (b bareRelay) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up, _, err := coder.Dial(r.Context(), b.upstream+"/?"+r.URL.RawQuery, nil) //nolint:bodyclose // the library closes it
	if err != nil {
		http.Error(w, "upstream", http.StatusBadGateway)
		return
	}
	client, err := coder.Accept(w, r, nil)
	if err != nil {
		return
	}
	pump := func(from, to *coder.Conn) {
		from.SetReadLimit(frame.MaxReply)
		for {
			kind, data, err := from.Read(context.Background())
			if err != nil || to.Write(context.Background(), kind, data) != nil {
				_ = from.CloseNow()
				_ = to.CloseNow()
				return
			}
		}
	}
	go pump(client, up)
	go pump(up, client)
}

type child struct {
	b       *testing.B
	address string
}

func startChild(b *testing.B, mode, upstream string) child {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childMode+"="+mode, childMode+"_UPSTREAM="+upstream, "GOMAXPROCS=1")
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return child{b, strings.TrimSpace(line)}
}

func (c child) usage() (u usage) {
	c.b.Helper()
	resp, err := http.Get("http://" + c.address + "/usage")
	if err != nil {
		c.b.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&u); err != nil {
		c.b.Fatal(err)
	}
	return u
}

func (c child) dial(enc frame.Encoding) *websocket.Conn {
	c.b.Helper()
	d := websocket.Dialer{ReadBufferSize: 512, WriteBufferSize: 512}
	ws, _, err := d.Dial("ws://"+c.address+wire.SocketPath+query("alice", "t", 1, enc), nil) //nolint:bodyclose // the library closes it
	if err != nil {
		c.b.Fatal(err)
	}
	return ws
}

// echo starts an upstream server that replies to every frame with the same frame.
func echo(b *testing.B, answer []byte) string {
	up := websocket.Upgrader{ReadBufferSize: 512, WriteBufferSize: 512}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for {
			if _, _, err := ws.ReadMessage(); err != nil || ws.WriteMessage(websocket.BinaryMessage, answer) != nil {
				return
			}
		}
	}))
	b.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// BenchmarkIdleSockets reports the cost of one idle socket: go test -run xxx -bench IdleSockets -benchtime 2000x.
func BenchmarkIdleSockets(b *testing.B) {
	for _, mode := range []string{"guarded", "bare"} {
		b.Run(mode, func(b *testing.B) {
			if b.N < 100 {
				return // the first call only asks whether it works; 100 and more are measured
			}
			enc := frame.Encoding{Gzip: true}
			c := startChild(b, mode, echo(b, enc.EncodeReply(frame.Reply{ID: 1001})))
			request, _ := enc.EncodeRequest(frame.Request{ID: 1001, SendID: "alice", MsgIncr: "1"})
			before := c.usage()
			for range b.N {
				ws := c.dial(enc)
				defer ws.Close()
				_ = ws.WriteMessage(websocket.BinaryMessage, request) // every socket has worked once
				if _, _, err := ws.ReadMessage(); err != nil {
					b.Fatal(err)
				}
			}
			after := c.usage()
			b.ReportMetric(float64(after.RSS-before.RSS)/float64(b.N), "B-RSS/socket")
			b.ReportMetric(float64(after.Heap-before.Heap)/float64(b.N), "B-heap/socket")
			b.ReportMetric(float64(after.Stack-before.Stack)/float64(b.N), "B-stack/socket")
			b.ReportMetric(float64(after.Goroutines-before.Goroutines)/float64(b.N), "goroutines/socket")
		})
	}
}

// BenchmarkRelay reports the round trip of one request and the relay's processor time for it, guarded and bare.
func BenchmarkRelay(b *testing.B) {
	for _, enc := range []frame.Encoding{{Gzip: true}, {JSON: true}} {
		for _, size := range []int{200, 4096} {
			data := pb{}.str(1, "alice").str(2, "bob").str(4, "client-1").num(9, 1).num(11, 101).str(12, strings.Repeat("word ", size/5))
			incr := "1"
			request, _ := enc.EncodeRequest(frame.Request{ID: idSend, SendID: "alice", OperationID: "op", MsgIncr: incr, Data: data})
			answer := enc.EncodeReply(frame.Reply{ID: idSend, MsgIncr: incr, OperationID: "op", Data: make([]byte, 80)})
			for _, mode := range []string{"guarded", "bare"} {
				b.Run(fmt.Sprintf("%s/%dB/%s", enc, size, mode), func(b *testing.B) {
					c := startChild(b, mode, echo(b, answer))
					ws := c.dial(enc)
					defer ws.Close()
					took := make([]time.Duration, 0, b.N)
					before := c.usage()
					b.ResetTimer()
					for range b.N {
						start := time.Now()
						_ = ws.WriteMessage(websocket.BinaryMessage, request)
						if _, _, err := ws.ReadMessage(); err != nil {
							b.Fatal(err)
						}
						took = append(took, time.Since(start))
					}
					b.StopTimer()
					after := c.usage()
					slices.Sort(took)
					b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "p50-ns")
					b.ReportMetric(float64(took[len(took)*99/100].Nanoseconds()), "p99-ns")
					b.ReportMetric(float64(after.CPU-before.CPU)/float64(b.N), "cpu-ns/frame")
				})
			}
		}
	}
}

// BenchmarkGuard measures the frame check only: decode, decide, encode, and the check of the reply.
func BenchmarkGuard(b *testing.B) {
	for _, enc := range encodings {
		b.Run(enc.String(), func(b *testing.B) {
			g := newGuard()
			in, _ := enc.EncodeRequest(frame.Request{ID: idSend, SendID: "alice", OperationID: "op", MsgIncr: "1", Data: textMessage()})
			reply := enc.EncodeReply(frame.Reply{ID: idSend, MsgIncr: "1", Data: make([]byte, 80)})
			b.ReportAllocs()
			for b.Loop() {
				req, err := enc.DecodeRequest(in)
				if err != nil {
					b.Fatal(err)
				}
				f := Frame{ID: req.ID}
				o, err := g.decide(b.Context(), alice, nil, req, &f)
				if err != nil || o.refusal != nil {
					b.Fatal("refused")
				}
				if _, err = enc.EncodeRequest(o.request); err != nil {
					b.Fatal(err)
				}
				if _, err = enc.ReplyHead(reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
