package upstream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// bytesServer answers the requests of each connection by bytes: answer gets the connection's number, from 1, and the request's.
type bytesServer struct {
	connections atomic.Int64
	requests    atomic.Int64
}

// serveBytes serves until the test ends. If answer returns false, the connection is closed.
func serveBytes(t *testing.T, answer func(conn net.Conn, connection, request int, head string) bool) (*upstream.Client, *bytesServer) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &bytesServer{}
	var open sync.WaitGroup
	var all sync.Map
	open.Go(func() {
		for {
			conn, err := lis.Accept()
			if err != nil {
				return
			}
			all.Store(conn, true)
			number := int(s.connections.Add(1))
			open.Go(func() {
				defer func() { _ = conn.Close() }()
				in := bufio.NewReader(conn)
				for request := 1; ; request++ {
					r, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					head := r.Method + " " + r.RequestURI
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						return
					}
					s.requests.Add(1)
					if !answer(conn, number, request, head) {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() {
		_ = lis.Close()
		all.Range(func(conn, _ any) bool { _ = conn.(net.Conn).Close(); return true })
		open.Wait()
	})
	c := upstream.New("http://" + lis.Addr().String())
	t.Cleanup(c.Close)
	return c, s
}

func say(conn net.Conn, text string) bool {
	_, err := io.WriteString(conn, text)
	return err == nil
}

const (
	ok      = "HTTP/1.1 200 OK\r\n"
	chunked = ok + "Transfer-Encoding: chunked\r\n\r\n"
	fine    = ok + "Content-Length: 4\r\n\r\nfine"
)

func post(t *testing.T, c *upstream.Client) (upstream.Reply, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Do(ctx, http.MethodPost, "/x", nil, []byte("{}"))
}

// TestRepliesAsBytes: each case is what the first connection answers. The next request is always answered, on the same connection or on
// a new one.
func TestRepliesAsBytes(t *testing.T) {
	long := strings.Repeat("x", 3<<10)
	for name, c := range map[string]struct {
		reply string
		want  error
		body  string
		same  bool // the next request uses the same connection
		ends  bool // the server closes the connection; otherwise it would answer another request on it
	}{
		"a length":                 {reply: fine, body: "fine", same: true},
		"names in other case":      {reply: ok + "content-LENGTH: 4\r\nx-ONE: 1\r\n\r\nfine", body: "fine", same: true},
		"chunks":                   {reply: chunked + "2\r\nfi\r\n2\r\nne\r\n0\r\n\r\n", body: "fine", same: true},
		"chunks with an extension": {reply: chunked + "4;a=b\r\nfine\r\n0\r\n\r\n", body: "fine", same: true},
		"chunks with a trailer":    {reply: chunked + "4\r\nfine\r\n0\r\nX-Late: 1\r\n\r\n", body: "fine", same: true},
		"an announced trailer": {
			reply: ok + "Trailer: X-Late\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nX-Late: 1\r\n\r\n", body: "fine", same: true,
		},
		"an endless trailer":         {reply: chunked + "0\r\n" + strings.Repeat("X: "+long+"\r\n", 4), want: upstream.ErrBroken},
		"chunks that are no numbers": {reply: chunked + "zz\r\nfine\r\n", want: upstream.ErrBroken},
		"chunks and a length": {
			reply: ok + "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\n\r\n", body: "fine", same: true,
		},
		"two lengths":                     {reply: ok + "Content-Length: 4\r\nContent-Length: 2\r\n\r\nfine", want: upstream.ErrBroken},
		"the same length twice":           {reply: ok + "Content-Length: 4\r\nContent-Length: 4\r\n\r\nfine", body: "fine", same: true},
		"a negative length":               {reply: ok + "Content-Length: -4\r\n\r\nfine", want: upstream.ErrBroken},
		"a blank after a length":          {reply: ok + "Content-Length : 2\r\n\r\nfine", body: "fine", ends: true},
		"an unknown coding":               {reply: ok + "Transfer-Encoding: gzip\r\n\r\nfine", want: upstream.ErrBroken},
		"a header that is no line":        {reply: ok + "X one\r\n\r\n", want: upstream.ErrBroken},
		"no status":                       {reply: "HTTP/1.1 OK\r\n\r\n", want: upstream.ErrBroken},
		"until the end of the connection": {reply: ok + "\r\nfine", body: "fine", ends: true},
		"it announces that it closes":     {reply: ok + "Connection: close\r\nContent-Length: 4\r\n\r\nfine", body: "fine"},
		"HTTP/1.0":                        {reply: "HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine", body: "fine"},
		"HTTP/2":                          {reply: "HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nfine", want: upstream.ErrBroken},
		"HTTP/2 frames":                   {reply: "\x00\x00\x00\x04\x00\x00\x00\x00\x00\r\n\r\n", want: upstream.ErrBroken},
		"another protocol": {
			reply: "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n", want: upstream.ErrBroken,
		},
		"100 and a reply": {reply: "HTTP/1.1 100 Continue\r\n\r\n" + fine, body: "fine", same: true},
		"103 and a reply": {reply: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + fine, body: "fine", same: true},
		"only 100":        {reply: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 100), want: upstream.ErrBroken},
		"endless lines in 100": {
			reply: strings.Repeat("HTTP/1.1 100 Continue\r\nX: "+long+"\r\nY: "+long+"\r\n\r\n", 4) + fine, want: upstream.ErrBroken,
		},
		"no body":                      {reply: "HTTP/1.1 204 No Content\r\n\r\n", same: true},
		"a second reply at once":       {reply: fine + strings.Replace(fine, "fine", "evil", 1), body: "fine"},
		"a body after no body":         {reply: "HTTP/1.1 204 No Content\r\n\r\nevil"},
		"more than the length":         {reply: fine + "evil", body: "fine"},
		"less than the length":         {reply: ok + "Content-Length: 5\r\n\r\nfine", want: upstream.ErrBroken, ends: true},
		"a short body, and a long one": {reply: ok + "Content-Length: 100000\r\n\r\n" + long, want: upstream.ErrBroken, ends: true},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			client, server := serveBytes(t, func(conn net.Conn, connection, request int, _ string) bool {
				if connection == 1 && request == 1 {
					return say(conn, c.reply) && !c.ends
				}
				return say(conn, fine)
			})
			reply, err := post(t, client)
			if c.want != nil {
				g.Expect(err).To(Equal(c.want))
			} else {
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(string(reply.Body)).To(Equal(c.body))
				g.Expect(reply.Header).NotTo(HaveKey("X-Late"), "a trailer is no header")
			}
			reply, err = post(t, client)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(reply.Body)).To(Equal("fine"))
			connections := 2
			if c.same {
				connections = 1
			}
			g.Expect(server.connections.Load()).To(BeEquivalentTo(connections))
			g.Expect(server.requests.Load()).To(BeEquivalentTo(2))
		})
	}
}

// TestBytesWithoutARequestAreNobodysReply: a server, or somebody behind it, sends a reply before it is requested.
func TestBytesWithoutARequestAreNobodysReply(t *testing.T) {
	g := NewWithT(t)
	first := make(chan net.Conn, 1)
	c, s := serveBytes(t, func(conn net.Conn, connection, _ int, _ string) bool {
		if connection == 1 {
			first <- conn
		}
		return say(conn, fine)
	})
	_, err := post(t, c)
	g.Expect(err).NotTo(HaveOccurred())
	say(<-first, strings.Replace(fine, "fine", "evil", 1))
	time.Sleep(20 * time.Millisecond) //nolint:forbidigo // what the kernel delivers on loopback has no event to wait for
	reply, err := post(t, c)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(reply.Body)).To(Equal("fine"))
	g.Expect(s.connections.Load()).To(BeEquivalentTo(2))
}

// TestAnIdleConnectionThatTheOtherSideClosedIsNotUsed: it is not an error, and nothing is sent twice.
func TestAnIdleConnectionThatTheOtherSideClosedIsNotUsed(t *testing.T) {
	g := NewWithT(t)
	c, s := serveBytes(t, func(conn net.Conn, connection, _ int, _ string) bool { return say(conn, fine) && connection > 1 })
	_, err := post(t, c)
	g.Expect(err).NotTo(HaveOccurred())
	time.Sleep(20 * time.Millisecond) //nolint:forbidigo // what the kernel delivers on loopback has no event to wait for
	for range 3 {
		_, err = post(t, c)
		g.Expect(err).NotTo(HaveOccurred())
	}
	g.Expect(s.connections.Load()).To(BeEquivalentTo(2))
	g.Expect(s.requests.Load()).To(BeEquivalentTo(4))
}

// TestOnlyAGetIsRepeatedAfterTheConnectionEnded: what a POST did is unknown.
func TestOnlyAGetIsRepeatedAfterTheConnectionEnded(t *testing.T) {
	for _, c := range []struct {
		method   string
		partial  string // what the second request gets before the connection ends
		want     error
		requests int
	}{
		{http.MethodGet, "", nil, 3},
		{http.MethodPost, "", upstream.ErrBroken, 2},
		{http.MethodGet, "HTTP/1.1 200", upstream.ErrBroken, 2},
	} {
		t.Run(c.method+" "+c.partial, func(t *testing.T) {
			g := NewWithT(t)
			client, server := serveBytes(t, func(conn net.Conn, connection, request int, _ string) bool {
				if connection == 1 && request == 2 {
					return say(conn, c.partial) && false
				}
				return say(conn, fine)
			})
			signed := 0
			send := func() error {
				_, err := client.DoSigned(t.Context(), c.method, "/x", nil, nil, func(http.Header, upstream.Peer) error {
					signed++
					return nil
				})
				return err
			}
			g.Expect(send()).To(Succeed())
			if c.want == nil {
				g.Expect(send()).To(Succeed())
			} else {
				g.Expect(send()).To(MatchError(c.want))
			}
			g.Expect(server.requests.Load()).To(BeEquivalentTo(c.requests))
			g.Expect(signed).To(Equal(c.requests), "each is signed by itself")
			g.Expect(send()).To(Succeed())
		})
	}
}

// TestARequestIsSentByteForByte: the assertion covers the path as given.
func TestARequestIsSentByteForByte(t *testing.T) {
	g := NewWithT(t)
	var seen []string
	c, s := serveBytes(t, func(conn net.Conn, _, _ int, head string) bool {
		seen = append(seen, head)
		return say(conn, fine)
	})
	sent := []string{"/a%2Fb/../c//d", "/a?b=c&d=%20", "/%E4", "/a;b", "/*"}
	for _, path := range sent {
		_, err := c.Do(t.Context(), http.MethodGet, path, nil, nil)
		g.Expect(err).NotTo(HaveOccurred())
	}
	for i := range sent {
		sent[i] = "GET " + sent[i]
	}
	g.Expect(seen).To(Equal(sent))
	for _, refused := range []struct {
		method, path string
		header       http.Header
	}{
		{"GET", "/a b", nil}, {"GET", "/a\r\nX: 1", nil}, {"GET", "a", nil}, {"GET", "", nil}, {"GET", "/\xe4", nil}, {"GET", "/a#b", nil},
		{"GET", "//[::1]:x@y/\x00", nil}, {"GET /x HTTP/1.1\r\n", "/a", nil}, {"HEAD", "/a", nil}, {"CONNECT", "/a", nil}, {"", "/a", nil},
		{"GET", "/a", http.Header{"X": {"1\r\nToken: 2"}}}, {"GET", "/a", http.Header{"X": {"1\n"}}},
		{"GET", "/a", http.Header{"X: 1\r\nToken": {"2"}}}, {"GET", "/a", http.Header{"": {"2"}}}, {"GET", "/a", http.Header{"X": {"\x00"}}},
	} {
		_, err := c.Do(t.Context(), refused.method, refused.path, refused.header, nil)
		g.Expect(err).To(Equal(upstream.ErrNotSent), "%q", refused)
	}
	g.Expect(s.requests.Load()).To(BeEquivalentTo(len(sent)))
	g.Expect(s.connections.Load()).To(BeEquivalentTo(1), "a request that is not sent costs no connection")
}

// TestTheCallerDoesNotDecideOverTheFraming: lengths and codings are the client's.
func TestTheCallerDoesNotDecideOverTheFraming(t *testing.T) {
	g := NewWithT(t)
	var seen *http.Request
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen = r; _, _ = io.Copy(io.Discard, r.Body) })
	_, err := c.DoSigned(t.Context(), http.MethodPost, "/x", http.Header{
		"content-length": {"0"}, "Transfer-Encoding": {"chunked"}, "Connection": {"close"}, "Host": {"evil"}, "Expect": {"100-continue"},
		"Upgrade": {"h2c"}, "Te": {"trailers"}, "Trailer": {"X"}, "User-Agent": {"evil"}, "X-Twice": {"1", "2"}, "X-Signed": {"old"},
	}, []byte("{}"), func(added http.Header, _ upstream.Peer) error { added["X-Signed"] = []string{"new"}; return nil })
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(seen.Header).To(Equal(http.Header{
		"Content-Length": {"2"}, "User-Agent": {"openim-wrapper"}, "X-Twice": {"1", "2"}, "X-Signed": {"new"},
	}))
	g.Expect(seen.Host).NotTo(Equal("evil"))
	g.Expect(seen.TransferEncoding).To(BeEmpty())
	g.Expect(seen.ContentLength).To(BeEquivalentTo(2))
}

// TestALargeBodyThatIsRefusedUnread: the server answers by the length alone, and closes the connection.
func TestALargeBodyThatIsRefusedUnread(t *testing.T) {
	g := NewWithT(t)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1<<20 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		n, _ := io.Copy(io.Discard, r.Body)
		g.Expect(n).To(Equal(r.ContentLength))
	})
	for _, size := range []int{32 << 20, 1 << 20, 16<<10 + 1, 16 << 10, 0} {
		reply, err := c.Do(t.Context(), http.MethodPost, "/x", nil, make([]byte, size))
		g.Expect(err).NotTo(HaveOccurred())
		if size > 1<<20 {
			g.Expect(reply.Status).To(Equal(http.StatusRequestEntityTooLarge))
		} else {
			g.Expect(reply.Status).To(Equal(http.StatusOK))
		}
	}
}

// TestDeadlinesWhileTheOtherSideDoesNothing: it reads nothing, it answers nothing, it answers half.
func TestDeadlinesWhileTheOtherSideDoesNothing(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	defer func() { _ = lis.Close() }() // accepted by the kernel alone: nobody reads
	silent := upstream.New("http://" + lis.Addr().String())
	half, _ := serveBytes(t, func(conn net.Conn, _, _ int, _ string) bool {
		return say(conn, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfi")
	})
	for name, c := range map[string]struct {
		client *upstream.Client
		body   int
	}{"reads nothing": {silent, 32 << 20}, "answers nothing": {silent, 2}, "answers half": {half, 2}} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			body := make([]byte, c.body)
			for _, cancelled := range []bool{false, true} {
				began := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				if cancelled {
					ctx, cancel = context.WithCancel(t.Context())
					time.AfterFunc(200*time.Millisecond, cancel)
				}
				_, err := c.client.Do(ctx, http.MethodPost, "/x", nil, body)
				cancel()
				g.Expect(err).To(Equal(upstream.ErrTimeout))
				g.Expect(time.Since(began)).To(And(BeNumerically(">=", 200*time.Millisecond), BeNumerically("<", 20*time.Second)),
					"the other side never ends it")
			}
		})
	}
}

// TestConnectionsAreBounded: a request beyond the bound waits, and was not sent when its time is over.
func TestConnectionsAreBounded(t *testing.T) {
	g := NewWithT(t)
	const most = 256
	release := make(chan struct{})
	c, s := serveBytes(t, func(conn net.Conn, _, _ int, _ string) bool { <-release; return say(conn, fine) })
	var all sync.WaitGroup
	for range most {
		all.Go(func() {
			_, err := c.Do(t.Context(), http.MethodPost, "/x", nil, nil)
			g.Expect(err).NotTo(HaveOccurred())
		})
	}
	g.Eventually(s.requests.Load).WithTimeout(time.Minute).Should(BeEquivalentTo(most))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := c.Do(ctx, http.MethodPost, "/x", nil, nil)
	g.Expect(err).To(Equal(upstream.ErrNotSent))
	all.Go(func() {
		_, err := c.Do(t.Context(), http.MethodPost, "/x", nil, nil)
		g.Expect(err).NotTo(HaveOccurred())
	})
	close(release)
	all.Wait()
	g.Expect(s.connections.Load()).To(BeNumerically("<=", most))
}

// TestNobodyGetsAnothersReply: requests that are cancelled at any moment leave nothing behind for the next one.
func TestNobodyGetsAnothersReply(t *testing.T) {
	g := NewWithT(t)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(append([]byte(r.RequestURI), body...))
	})
	var all sync.WaitGroup
	var done, cancelled atomic.Int64
	for worker := range 16 {
		all.Go(func() {
			for i := range 300 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration((i*worker)%23)*20*time.Microsecond+time.Microsecond)
				if i%2 == 0 {
					ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
				}
				path := "/" + strings.Repeat("p", worker) + "/" + strings.Repeat("i", i)
				body := strings.Repeat("b", (i%40)*1000)
				reply, err := c.Do(ctx, http.MethodPost, path, nil, []byte(body))
				cancel()
				switch {
				case err == nil:
					done.Add(1)
					if string(reply.Body) != path+body {
						t.Errorf("another's reply: %.50q", reply.Body)
					}
				case errors.Is(err, upstream.ErrTimeout), errors.Is(err, upstream.ErrNotSent):
					cancelled.Add(1)
				default:
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	g.Expect(done.Load()).To(BeNumerically(">=", 16*150))
	g.Expect(cancelled.Load()).To(BeNumerically(">", 0))
}

// TestOnlyHTTPWithAHost: a mistake in the configuration sends nothing anywhere.
func TestOnlyHTTPWithAHost(t *testing.T) {
	g := NewWithT(t)
	for _, base := range []string{"", "http://", "https://127.0.0.1:1", "127.0.0.1:1", "http://a@127.0.0.1:1", "http://127.0.0.1:1/x"} {
		_, err := upstream.New(base).Do(t.Context(), http.MethodGet, "/x", nil, nil)
		g.Expect(err).To(Equal(upstream.ErrNotSent), base)
	}
}

// TestAReplyAtTheBoundKeepsTheConnection: the header's bound does not count the body.
func TestAReplyAtTheBoundKeepsTheConnection(t *testing.T) {
	g := NewWithT(t)
	body := strings.Repeat("b", wire.MaxReplyBytes)
	c, s := serveBytes(t, func(conn net.Conn, _, _ int, _ string) bool {
		return say(conn, "HTTP/1.1 200 OK\r\nX: "+strings.Repeat("x", wire.MaxHeaderBytes-1024)+"\r\nContent-Length: 8388608\r\n\r\n"+body)
	})
	for range 3 {
		reply, err := post(t, c)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(reply.Body).To(HaveLen(len(body)))
	}
	g.Expect(s.connections.Load()).To(BeEquivalentTo(1))
}
