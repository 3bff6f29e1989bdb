package httpserver

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// certificate returns a self-signed certificate.
func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// frames is an HTTP/2 connection whose frames the test writes.
type frames struct {
	*http2.Framer
	conn *tls.Conn
}

func http2Server(t *testing.T, h http.HandlerFunc) *testServer {
	t.Helper()
	own := certificate(t)
	return start(t, nil, func(a *App) {
		a.Main.Close()
		server, err := Listen("h2", "127.0.0.1:0", h, time.Second,
			&tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		a.Main = server
	})
}

func (s *testServer) frames(t *testing.T) frames {
	t.Helper()
	conn, err := tls.Dial("tcp", s.Main.Address(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if conn.ConnectionState().NegotiatedProtocol != "h2" {
		t.Fatal("not HTTP/2")
	}
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	f := frames{http2.NewFramer(conn, conn), conn}
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := f.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return f
}

// headers returns the header block of a request with additional lines.
func headers(t *testing.T, lines int) []byte {
	t.Helper()
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	fields := []hpack.HeaderField{{Name: ":method", Value: "GET"}, {Name: ":scheme", Value: "https"}, {Name: ":authority", Value: "x"},
		{Name: ":path", Value: "/"}}
	for i := range lines {
		fields = append(fields, hpack.HeaderField{Name: "x-" + strconv.Itoa(i), Value: "v"})
	}
	for _, f := range fields {
		if err := e.WriteField(f); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// closed reads until the server closes the connection, and returns the error code of a GOAWAY frame.
func (f frames) closed(t *testing.T) http2.ErrCode {
	t.Helper()
	code := http2.ErrCodeNo
	for {
		frame, err := f.ReadFrame()
		if err != nil {
			return code
		}
		if away, ok := frame.(*http2.GoAwayFrame); ok {
			code = away.ErrCode
		}
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestHTTP2AcceptsAHundredHeaderLines(t *testing.T) {
	g := NewWithT(t)
	s := http2Server(t, func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Error("not HTTP/2")
		}
		w.WriteHeader(http.StatusNoContent)
	})
	for lines, want := range map[int]int{100: 204, 101: 431, 400: 431} {
		client := &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, DisableKeepAlives: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		req, err := http.NewRequest(http.MethodGet, "https://"+s.Main.Address(), nil)
		g.Expect(err).NotTo(HaveOccurred())
		req.Header.Set("Accept-Encoding", "identity")
		req.Header.Set("User-Agent", "x")
		for i := range lines - 2 {
			req.Header.Add("X-"+strconv.Itoa(i), "v")
		}
		resp, err := client.Do(req)
		g.Expect(err).NotTo(HaveOccurred())
		_ = resp.Body.Close()
		g.Expect(resp.StatusCode).To(Equal(want), "%d lines", lines)
	}
}

func TestEndlessContinuations(t *testing.T) {
	g := NewWithT(t)
	var calls atomic.Int32
	s := http2Server(t, func(http.ResponseWriter, *http.Request) { calls.Add(1) })
	f := s.frames(t)
	g.Expect(f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers(t, 1)})).To(Succeed())
	before := heap()
	var fill bytes.Buffer
	e := hpack.NewEncoder(&fill)
	for fill.Len() < 8<<10 {
		g.Expect(e.WriteField(hpack.HeaderField{Name: "x-fill", Value: string(bytes.Repeat([]byte("x"), 1000)),
			Sensitive: true})).To(Succeed())
	}
	ended := make(chan http2.ErrCode, 1)
	go func() { ended <- f.closed(t) }()
	sent := 0
	for sent < 64<<20 {
		if f.WriteContinuation(1, false, fill.Bytes()) != nil {
			break
		}
		sent += fill.Len()
	}
	g.Expect(sent).To(BeNumerically("<", 64<<20), "the server closes the connection")
	g.Eventually(ended, time.Minute).Should(Receive())
	g.Expect(calls.Load()).To(BeZero())
	g.Expect(heap()).To(BeNumerically("<", before+(8<<20)))
}

func TestStreamsThatAreResetImmediately(t *testing.T) {
	g := NewWithT(t)
	var running, most, begun atomic.Int32
	release := make(chan struct{})
	s := http2Server(t, func(http.ResponseWriter, *http.Request) {
		begun.Add(1)
		now := running.Add(1)
		for {
			seen := most.Load()
			if now <= seen || most.CompareAndSwap(seen, now) {
				break
			}
		}
		<-release // a handler that does not end with its stream
		running.Add(-1)
	})
	f := s.frames(t)
	ended := make(chan http2.ErrCode, 1)
	go func() { ended <- f.closed(t) }()
	block := headers(t, 1)
	for id := uint32(1); id < 20000; id += 2 {
		if f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndHeaders: true, EndStream: true}) != nil ||
			f.WriteRSTStream(id, http2.ErrCodeCancel) != nil {
			break
		}
	}
	g.Eventually(ended, time.Minute).Should(Receive(Equal(http2.ErrCodeEnhanceYourCalm)), "the server closes the connection")
	g.Expect(most.Load()).To(BeNumerically("<=", maxStreamsPerHTTP2), "at most a hundred handlers run")
	g.Expect(begun.Load()).To(BeNumerically("<=", maxStreamsPerHTTP2))
	close(release)
}

func TestPingsWhoseAnswersAreNotRead(t *testing.T) {
	g := NewWithT(t)
	s := http2Server(t, func(http.ResponseWriter, *http.Request) {})
	before := heap()
	pings := s.frames(t)
	var err error
	for calls := 0; calls < 5_000_000 && err == nil; calls++ {
		err = pings.WritePing(false, [8]byte{1})
	}
	g.Expect(err).To(HaveOccurred(), "the server closes the connection")
	settings := s.frames(t) // only one acknowledgement waits, not one for each
	for range 200_000 {
		if settings.WriteSettings() != nil {
			break
		}
	}
	g.Expect(heap()).To(BeNumerically("<", before+(16<<20)))
}
